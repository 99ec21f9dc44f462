//! seccomp: an allow-list of system calls for kernels, a deny-list for the compiler.

use crate::fault::Fault;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    apply_filter_all_threads, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

const WAY_OUT: &str = "seccomp filters are not available here (CONFIG_SECCOMP_FILTER); \
                       without them run with --unsandboxed, at your own risk";

/// The system calls of a kernel that computes: memory, threads, clocks, exit. All others trap, see `trap`.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_munmap,
    libc::SYS_brk,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_membarrier,
    libc::SYS_getcpu,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_restart_syscall,
    libc::SYS_clone3,
];

/// The flags with which glibc starts a thread; a new process would need others.
const THREAD_FLAGS: u64 = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID) as u64;

const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// Names of anonymous memory, set by glibc's malloc; harmless.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// The filter while the library is loaded: code may be mapped, and the second filter may follow.
pub fn loading() -> Result<(), Fault> {
    let mut rules = common()?;
    for call in [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_seccomp] {
        rules.insert(call, vec![]);
    }
    add(&mut rules, libc::SYS_prctl, vec![(0, Dword, Eq, libc::PR_SET_NO_NEW_PRIVS as u64)])?;
    add(&mut rules, libc::SYS_fcntl, vec![(1, Dword, Eq, libc::F_DUPFD_CLOEXEC as u64)])?;
    install(rules, SeccompAction::Trap, SeccompAction::Allow)?;
    // clone3 keeps its flags in memory, where a filter cannot see them; without it, glibc falls back to clone.
    let hidden = Rules::from([(libc::SYS_clone3, vec![])]);
    install(hidden, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

/// The filter while the kernel runs: nothing can become executable any more.
pub fn running() -> Result<(), Fault> {
    let mut rules = common()?;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        add(&mut rules, call, vec![(2, Dword, MaskedEq(libc::PROT_EXEC as u64), 0)])?;
    }
    install(rules, SeccompAction::Trap, SeccompAction::Allow)
}

fn common() -> Result<Rules, Fault> {
    let mut rules: Rules = ALLOWED.iter().map(|&call| (call, vec![])).collect();
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_time, vec![]);
    rules.insert(libc::SYS_getrlimit, vec![]);
    let own = u64::from(std::process::id());
    add(&mut rules, libc::SYS_tgkill, vec![(0, Dword, Eq, own), (2, Dword, Eq, libc::SIGABRT as u64)])?;
    add(&mut rules, libc::SYS_clone, vec![(0, Qword, Eq, THREAD_FLAGS)])?;
    add(&mut rules, libc::SYS_prlimit64, vec![(2, Qword, Eq, 0)])?;
    // Reading a handler is allowed, and setting glibc's own two signals, which happens with the first thread.
    add(&mut rules, libc::SYS_rt_sigaction, vec![(1, Qword, Eq, 0)])?;
    for own_of_glibc in [32, 33] {
        add(&mut rules, libc::SYS_rt_sigaction, vec![(0, Dword, Eq, own_of_glibc)])?;
    }
    for harmless in [libc::F_GETFD, libc::F_GETFL] {
        add(&mut rules, libc::SYS_fcntl, vec![(1, Dword, Eq, harmless as u64)])?;
    }
    for harmless in [libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64, PR_SET_VMA] {
        add(&mut rules, libc::SYS_prctl, vec![(0, Dword, Eq, harmless)])?;
    }
    Ok(rules)
}

/// System calls that a compiler and a linker never need. They get EPERM, so that a program that tries them continues.
const REFUSED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_create,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_mknodat,
    libc::SYS_seccomp,
];

/// The filter for rustc and its linker: they may start programs, but reach only files and their own children.
pub fn compiling() -> Result<(), Fault> {
    let mut rules: Rules = REFUSED.iter().map(|&call| (call, vec![])).collect();
    for bit in (0..64).map(|bit| 1u64 << bit).filter(|bit| NAMESPACES & bit != 0) {
        add(&mut rules, libc::SYS_clone, vec![(0, Qword, MaskedEq(bit), bit)])?;
    }
    add(&mut rules, libc::SYS_prctl, vec![(0, Dword, Eq, libc::PR_SET_PDEATHSIG as u64), (1, Dword, Ne, 9)])?;
    // Rust's std reports an error of a started process through a pair of local sockets.
    add(&mut rules, libc::SYS_socketpair, vec![(0, Dword, Ne, libc::AF_UNIX as u64)])?;
    install(Rules::from([(libc::SYS_clone3, vec![])]), SeccompAction::Allow, errno(libc::ENOSYS))?;
    install(rules, SeccompAction::Allow, errno(libc::EPERM))
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number as u32)
}

type Condition = (u8, seccompiler::SeccompCmpArgLen, seccompiler::SeccompCmpOp, u64);

/// Adds an alternative for `call`: it is allowed if all conditions hold.
fn add(rules: &mut Rules, call: i64, conditions: Vec<Condition>) -> Result<(), Fault> {
    let built: Result<Vec<_>, _> = conditions
        .into_iter()
        .map(|(index, length, operator, value)| SeccompCondition::new(index, length, operator, value))
        .collect();
    let rule = SeccompRule::new(built.map_err(Fault::sandbox)?).map_err(Fault::sandbox)?;
    rules.entry(call).or_default().push(rule);
    Ok(())
}

fn install(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<(), Fault> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(Fault::sandbox)?;
    let filter = SeccompFilter::new(rules, otherwise, matched, arch).map_err(Fault::sandbox)?;
    let program: BpfProgram = filter.try_into().map_err(Fault::sandbox)?;
    apply_filter_all_threads(&program).map_err(|error| Fault::sandbox(format!("{error}; {WAY_OUT}")))
}
