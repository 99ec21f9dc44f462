//! `jail`: runs the compiler in a sandbox and leaves no process behind.
//!
//! The jail process itself stays outside of the sandbox and supervises the process group: it kills every descendant
//! when it ends or when its own parent is killed. A sandboxed process cannot leave the group.

use crate::fault::{checked, Fault};
use crate::{files, filter, limits};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Environment variables that the compiler gets; a candidate can read them with env!.
const ENVIRONMENT: &[&str] = &["PATH", "TMPDIR", "LC_ALL", "LANG", "SDKROOT", "DEVELOPER_DIR", "LD_LIBRARY_PATH"];

#[derive(Default)]
struct Jail {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    execute: Vec<PathBuf>,
    limits: Vec<(libc::__rlimit_resource_t, u64)>,
    program: Vec<CString>,
}

/// `jail --read PATH… --write PATH… --exec PATH… --memory B --cpu S --fsize B [--nproc N] -- program args…`
pub fn jail(words: Vec<OsString>) -> Result<(), Fault> {
    let jail = parse(words)?;
    if jail.program.is_empty() {
        return Err(Fault::usage("jail: no program after --"));
    }
    // SAFETY: plain system calls; the child only prepares and executes the program.
    unsafe {
        let keeper = libc::getpid();
        libc::setpgid(0, 0); // fails when the caller already made a session of us, which is as good
        checked(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")?;
        let mut watched = watched_signals();
        libc::sigprocmask(libc::SIG_BLOCK, &watched, std::ptr::null_mut());
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM, 0, 0, 0), "PR_SET_PDEATHSIG")?;
        match checked(libc::fork(), "fork")? {
            0 => {
                libc::sigprocmask(libc::SIG_UNBLOCK, &watched, std::ptr::null_mut());
                Err(inside(&jail, keeper))
            }
            child => {
                watch_over(keeper, &watched);
                keep(child, &mut watched)
            }
        }
    }
}

fn parse(words: Vec<OsString>) -> Result<Jail, Fault> {
    let mut jail = Jail::default();
    let mut words = words.into_iter();
    while let Some(option) = words.next() {
        let option = option.to_string_lossy().into_owned();
        if option == "--" {
            let raw: Result<Vec<_>, _> = words.map(|word| CString::new(word.into_vec())).collect();
            jail.program = raw.map_err(Fault::usage)?;
            break;
        }
        let value = words.next().ok_or_else(|| Fault::usage(format!("jail: {option} needs a value")))?;
        let number = value.to_str().and_then(|text| text.parse::<u64>().ok());
        let number = number.ok_or_else(|| Fault::usage(format!("jail: {option} needs a number")));
        match option.as_str() {
            "--read" => jail.read.push(value.into()),
            "--write" => jail.write.push(value.into()),
            "--exec" => jail.execute.push(value.into()),
            "--memory" => jail.limits.push((libc::RLIMIT_AS, number?)),
            "--cpu" => jail.limits.push((libc::RLIMIT_CPU, number?)),
            "--fsize" => jail.limits.push((libc::RLIMIT_FSIZE, number?)),
            "--nproc" => jail.limits.push((libc::RLIMIT_NPROC, number?)),
            _ => return Err(Fault::usage(format!("jail: unknown option {option}"))),
        }
    }
    Ok(jail)
}

/// Sandboxes this process and executes the program; returns only on failure.
fn inside(jail: &Jail, keeper: i32) -> Fault {
    match restrict(jail, keeper) {
        Err(fault) => fault,
        Ok(environment) => {
            let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
                list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
            };
            let (program, environment) = (pointers(&jail.program), pointers(&environment));
            // SAFETY: null-terminated arrays of strings that outlive the call.
            unsafe { libc::execve(program[0], program.as_ptr(), environment.as_ptr()) };
            Fault::sandbox(format!("{}: {}", jail.program[0].to_string_lossy(), std::io::Error::last_os_error()))
        }
    }
}

fn restrict(jail: &Jail, keeper: i32) -> Result<Vec<CString>, Fault> {
    // SAFETY: plain system calls.
    unsafe {
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG")?;
        if libc::getppid() != keeper {
            libc::_exit(1);
        }
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY);
        libc::dup2(nothing, 0);
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0);
    }
    limits::limit(libc::RLIMIT_CORE, 0)?;
    for &(resource, value) in &jail.limits {
        limits::limit(resource, value)?;
    }
    files::allow(&jail.read, &jail.write, &jail.execute)?;
    limits::give_up_capabilities()?;
    filter::compiling()?;
    let kept = |name: &&str| {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(std::env::var_os(name)?);
        CString::new(pair.into_vec()).ok()
    };
    Ok(ENVIRONMENT.iter().filter_map(kept).collect())
}

unsafe fn watched_signals() -> libc::sigset_t {
    let mut set: libc::sigset_t = std::mem::zeroed();
    libc::sigemptyset(&mut set);
    for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        libc::sigaddset(&mut set, signal);
    }
    set
}

/// A second supervisor, in case the first one is killed: it kills the whole group.
unsafe fn watch_over(keeper: i32, watched: &libc::sigset_t) {
    if libc::fork() != 0 {
        return;
    }
    libc::syscall(libc::SYS_close_range, 0u32, u32::MAX, 0);
    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM, 0, 0, 0);
    while libc::getppid() == keeper {
        let _ = libc::sigwaitinfo(watched, std::ptr::null_mut());
    }
    libc::kill(0, libc::SIGKILL);
}

/// Waits for the program, or for a signal to end it; then kills what is left and passes the exit status on.
unsafe fn keep(child: i32, watched: &mut libc::sigset_t) -> ! {
    let mut status = 0;
    loop {
        let signal = libc::sigwaitinfo(watched, std::ptr::null_mut());
        if signal > 0 && signal != libc::SIGCHLD {
            libc::kill(0, libc::SIGKILL); // the whole group, ourselves included
        }
        let mut ended = libc::waitpid(-1, &mut status, libc::WNOHANG);
        while ended > 0 && ended != child {
            ended = libc::waitpid(-1, &mut status, libc::WNOHANG);
        }
        if ended == child {
            break;
        }
    }
    end_orphans();
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        libc::signal(signal, libc::SIG_DFL);
        libc::sigprocmask(libc::SIG_UNBLOCK, watched, std::ptr::null_mut());
        libc::kill(libc::getpid(), signal);
        libc::_exit(128 + signal);
    }
    libc::_exit(libc::WEXITSTATUS(status))
}

/// Kills descendants whose parent has ended and which became our children.
unsafe fn end_orphans() {
    let mut status = 0;
    while libc::waitpid(-1, &mut status, libc::WNOHANG) >= 0 {
        let list = std::fs::read_to_string(format!("/proc/self/task/{}/children", libc::getpid())).unwrap_or_default();
        for child in list.split_whitespace().filter_map(|word| word.parse().ok()) {
            libc::kill(child, libc::SIGKILL);
        }
        libc::usleep(1000);
    }
}
