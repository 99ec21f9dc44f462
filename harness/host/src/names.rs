//! Names of system calls, and the forbidden ones that an honest program may still try.

macro_rules! named {
    ($($constant:ident)*) => { &[$((libc::$constant, stringify!($constant))),*] };
}

const NAMES: &[(i64, &str)] = named! {
    SYS_socket SYS_socketpair SYS_connect SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_sendto SYS_recvfrom SYS_sendmsg
    SYS_recvmsg SYS_execve SYS_execveat SYS_clone SYS_clone3 SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev
    SYS_kill SYS_tkill SYS_tgkill SYS_io_uring_setup SYS_userfaultfd SYS_bpf SYS_perf_event_open SYS_memfd_create
    SYS_memfd_secret SYS_shmget SYS_shmat SYS_rt_sigaction SYS_setitimer SYS_timer_create SYS_timerfd_create SYS_prctl SYS_mprotect
    SYS_mmap SYS_pkey_mprotect SYS_remap_file_pages SYS_seccomp SYS_sched_setaffinity SYS_sched_setscheduler SYS_sched_setattr
    SYS_setpriority SYS_personality SYS_openat SYS_openat2 SYS_faccessat SYS_faccessat2 SYS_newfstatat SYS_statx SYS_readlinkat
    SYS_unlinkat SYS_renameat2 SYS_mkdirat SYS_symlinkat SYS_linkat SYS_fchmodat SYS_fchownat SYS_truncate SYS_ftruncate
    SYS_fallocate SYS_getdents64 SYS_chdir SYS_chroot SYS_mount SYS_umount2 SYS_unshare SYS_setns SYS_setuid SYS_setresuid
    SYS_setgid SYS_setsid SYS_setpgid SYS_prlimit64 SYS_setrlimit SYS_ioctl SYS_fcntl SYS_dup SYS_dup3 SYS_pipe2 SYS_eventfd2
    SYS_signalfd4 SYS_epoll_create1 SYS_inotify_init1 SYS_pidfd_open SYS_pidfd_getfd SYS_pidfd_send_signal SYS_getppid
    SYS_wait4 SYS_waitid SYS_sendfile SYS_splice SYS_tee SYS_vmsplice SYS_copy_file_range SYS_pwrite64 SYS_process_madvise
    SYS_keyctl SYS_add_key SYS_reboot SYS_init_module SYS_kexec_load SYS_mq_open SYS_msgget SYS_semget SYS_utimensat
    SYS_rt_sigtimedwait SYS_rt_sigsuspend SYS_rt_sigqueueinfo SYS_capset SYS_setxattr SYS_statfs SYS_ppoll SYS_pselect6
};

#[cfg(target_arch = "x86_64")]
const OLD_NAMES: &[(i64, &str)] = named! {
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_readlink SYS_unlink SYS_rename SYS_mkdir SYS_rmdir SYS_link SYS_symlink
    SYS_chmod SYS_chown SYS_fork SYS_vfork SYS_alarm SYS_pipe SYS_dup2 SYS_poll SYS_select SYS_arch_prctl SYS_mknod SYS_utime
};
#[cfg(not(target_arch = "x86_64"))]
const OLD_NAMES: &[(i64, &str)] = &[];

/// "openat" for 257; "a system call that is not allowed" for one without a name here.
pub fn name(number: i64) -> &'static str {
    let known = NAMES.iter().chain(OLD_NAMES).find(|(known, _)| *known == number);
    known.map_or("an unlisted system call", |(_, name)| name.trim_start_matches("SYS_"))
}

/// The error for calls that honest code may make and that have no consequences.
pub fn harmless(number: i64) -> Option<i32> {
    Some(match number {
        libc::SYS_ioctl => libc::ENOTTY,
        libc::SYS_getcwd => libc::EACCES,
        libc::SYS_mlock | libc::SYS_mlock2 | libc::SYS_munlock | libc::SYS_mlockall => libc::EPERM,
        libc::SYS_get_mempolicy | libc::SYS_set_mempolicy | libc::SYS_mbind => libc::ENOSYS,
        libc::SYS_futex_waitv => libc::ENOSYS,
        libc::SYS_sched_getparam | libc::SYS_sched_getscheduler | libc::SYS_getpriority => libc::EPERM,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_arch_prctl => libc::EINVAL,
        _ => return None,
    })
}

/// The index of the path among the arguments, for calls that take a path.
pub fn path_argument(number: i64) -> Option<usize> {
    match number {
        libc::SYS_openat
        | libc::SYS_openat2
        | libc::SYS_faccessat
        | libc::SYS_faccessat2
        | libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_readlinkat
        | libc::SYS_unlinkat
        | libc::SYS_renameat2
        | libc::SYS_mkdirat
        | libc::SYS_fchmodat
        | libc::SYS_execveat => Some(1),
        libc::SYS_execve | libc::SYS_truncate | libc::SYS_chdir | libc::SYS_chroot | libc::SYS_statfs => Some(0),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open
        | libc::SYS_creat
        | libc::SYS_stat
        | libc::SYS_lstat
        | libc::SYS_access
        | libc::SYS_readlink
        | libc::SYS_unlink
        | libc::SYS_rename
        | libc::SYS_mkdir
        | libc::SYS_rmdir
        | libc::SYS_chmod => Some(0),
        _ => None,
    }
}

/// Whether an open call cannot change anything.
pub fn opens_for_reading(number: i64, argument: impl Fn(usize) -> u64) -> bool {
    let flags = match number {
        libc::SYS_openat => argument(2),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => argument(1),
        _ => return false,
    };
    let changing = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
    flags & changing as u64 == 0
}

/// Whether a call queries a path without opening it.
pub fn only_looks(number: i64) -> bool {
    match number {
        libc::SYS_faccessat
        | libc::SYS_faccessat2
        | libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_readlinkat
        | libc::SYS_statfs => true,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat | libc::SYS_lstat | libc::SYS_access | libc::SYS_readlink => true,
        _ => false,
    }
}

const BENIGN_FILES: &[&[u8]] = &[
    b"/proc/self/cgroup",
    b"/proc/self/mountinfo",
    b"/proc/self/maps",
    b"/proc/self/auxv",
    b"/proc/self/exe",
    b"/proc/cpuinfo",
    b"/proc/stat",
    b"/proc/meminfo",
    b"/proc/sys/vm/overcommit_memory",
    b"/dev/urandom",
    b"/dev/random",
    b"/etc/malloc.conf",
];
const BENIGN_FOLDERS: &[&[u8]] =
    &[b"/sys/devices/system/cpu", b"/sys/devices/system/node", b"/sys/fs/cgroup", b"/sys/kernel/mm/"];

/// Paths that the standard library, glibc's malloc and thread pools read to size themselves. They get EACCES.
pub fn benign(path: &[u8]) -> bool {
    let climbs = path.windows(2).any(|pair| pair == b"..");
    !climbs && (BENIGN_FILES.contains(&path) || BENIGN_FOLDERS.iter().any(|folder| path.starts_with(folder)))
}
