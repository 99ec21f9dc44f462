//! Resource limits and identity.

use crate::fault::{checked, Fault};

/// Last resort for a worker whose parent no longer watches it; the actual time limit is the parent's wall clock.
const CPU_S: u64 = 3600;
const CPU_GRACE_S: u64 = 5;
/// Stack of the main thread; honest kernels may keep packed panels in arrays.
const STACK_BYTES: u64 = 64 << 20;
/// Mappings of the library and the loader, in addition to what the candidate may allocate.
const LOADING_BYTES: u64 = 64 << 20;
/// Threads per user: a last resort against a thread bomb, which the parent stops earlier.
const TASKS_OWN_USER: u64 = 4096;
const TASKS_SHARED_USER: u64 = 8192;
/// User ids that nobody has; one per worker, so that workers share neither signals nor task limits.
const FIRST_USER: u32 = 20_000;
const USERS: u32 = 40_000;

/// Limits the address space beyond what is mapped now, and sets small limits for everything else.
pub fn for_kernel(memory_bytes: u64) -> Result<(), Fault> {
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_FSIZE, 0)?;
    limit(libc::RLIMIT_NOFILE, 16)?;
    limit(libc::RLIMIT_MEMLOCK, 0)?;
    limit(libc::RLIMIT_MSGQUEUE, 0)?;
    limit(libc::RLIMIT_CPU, CPU_S)?;
    limit(libc::RLIMIT_STACK, STACK_BYTES)?;
    limit(libc::RLIMIT_AS, mapped_bytes()? + LOADING_BYTES + memory_bytes)
}

/// As root, switches to a user that owns nothing; in any case drops every capability.
pub fn drop_privileges() -> Result<(), Fault> {
    let user = FIRST_USER + std::process::id() % USERS;
    // Without CAP_KILL, the parent could not kill a process of another user.
    let may_switch = effective_capabilities() & CAN_SWITCH == CAN_SWITCH;
    // SAFETY: null is the only pointer; on failure the user stays the same.
    let switched = unsafe {
        libc::geteuid() == 0
            && may_switch
            && libc::setgroups(0, std::ptr::null()) == 0
            && libc::setresgid(user, user, user) == 0
            && libc::setresuid(user, user, user) == 0
    };
    limit(libc::RLIMIT_NPROC, if switched { TASKS_OWN_USER } else { TASKS_SHARED_USER })?;
    give_up_capabilities()
}

const CAP_KILL: u64 = 1 << 5;
const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;
const CAN_SWITCH: u64 = CAP_KILL | CAP_SETGID | CAP_SETUID;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

fn effective_capabilities() -> u64 {
    let header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [CapabilityData::default(); 2];
    // SAFETY: version 3 fills two entries.
    let result = unsafe { libc::syscall(libc::SYS_capget, &header, data.as_mut_ptr()) };
    if result != 0 {
        return 0;
    }
    u64::from(data[0].effective) | u64::from(data[1].effective) << 32
}

/// Empties effective, permitted and inheritable sets.
pub fn give_up_capabilities() -> Result<(), Fault> {
    let header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let data = [CapabilityData::default(); 2];
    // SAFETY: version 3 reads two entries.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) };
    checked(result as i32, "cannot give up capabilities").map(|_| ())
}

/// Sets the soft and the hard limit, never above the existing hard limit.
pub fn limit(resource: libc::__rlimit_resource_t, value: u64) -> Result<(), Fault> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a plain struct is filled, then read.
    unsafe {
        checked(libc::getrlimit(resource, &mut now), "getrlimit")?;
        let value = value.min(now.rlim_max);
        // The hard limit of CPU time sends SIGKILL, which gives no reason; leave room for SIGXCPU.
        let spare = if resource == libc::RLIMIT_CPU { CPU_GRACE_S } else { 0 };
        let wanted = libc::rlimit { rlim_cur: value, rlim_max: value.saturating_add(spare).min(now.rlim_max) };
        checked(libc::setrlimit(resource, &wanted), "setrlimit").map(|_| ())
    }
}

/// Address space in use now: the first field of /proc/self/statm, in pages.
fn mapped_bytes() -> Result<u64, Fault> {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = text.split(' ').next().and_then(|field| field.parse().ok());
    // SAFETY: no pointers.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    pages.map(|pages| pages * page).ok_or_else(|| Fault::sandbox("/proc/self/statm cannot be read; mount /proc"))
}
