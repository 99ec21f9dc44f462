//! Resource limits and identity.

use crate::fault::{checked, Fault};

/// Backstop for a worker whose parent stopped watching; the real time limit is the parent's wall clock.
const CPU_S: u64 = 3600;
const CPU_GRACE_S: u64 = 5;
/// The main thread may keep this much on its stack; packed panels in arrays are honest.
const STACK_BYTES: u64 = 64 << 20;
/// The library's own mappings and the loader's, on top of what the candidate may allocate.
const LOADING_BYTES: u64 = 64 << 20;
/// Threads per user: a backstop for a thread bomb, which the parent ends earlier.
const TASKS_OWN_USER: u64 = 4096;
const TASKS_SHARED_USER: u64 = 8192;
/// Users that nobody has; one per worker, so that neither signals nor task limits are shared.
const FIRST_USER: u32 = 20_000;
const USERS: u32 = 40_000;

/// Address space beyond what is mapped now, and small everything else.
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

/// As root, becomes a user that owns nothing; in any case gives up every capability.
pub fn drop_privileges() -> Result<(), Fault> {
    let user = FIRST_USER + std::process::id() % USERS;
    // Without CAP_KILL the parent could not end a process of another user.
    let may_switch = effective_capabilities() & CAN_SWITCH == CAN_SWITCH;
    // SAFETY: no pointers but null; failing leaves the former user.
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

/// Sets the soft and the hard limit, never above the hard one that is already there.
pub fn limit(resource: libc::__rlimit_resource_t, value: u64) -> Result<(), Fault> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a plain struct is filled, then read.
    unsafe {
        checked(libc::getrlimit(resource, &mut now), "getrlimit")?;
        let value = value.min(now.rlim_max);
        // At the hard limit of CPU time comes SIGKILL, which says nothing; leave room for SIGXCPU.
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
