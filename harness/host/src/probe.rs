//! `probe`: what the sandbox supports on this machine, as one line of JSON.

use crate::fault::Fault;
use crate::{files, filter};

/// Prints {"landlock": version, "seccomp": bool, "usable": bool, "reason": text}.
pub fn probe() -> Result<(), Fault> {
    let landlock = files::version();
    // SAFETY: a child process that only tries the filters and exits.
    let seccomp = unsafe {
        match libc::fork() {
            0 => libc::_exit(i32::from(filter::compiling().is_err())),
            child if child > 0 => {
                let mut status = 0;
                libc::waitpid(child, &mut status, 0) == child && status == 0
            }
            _ => return Err(Fault::system("fork")),
        }
    };
    let reason = match (landlock > 0, seccomp) {
        (true, true) => "",
        (false, true) => "no Landlock (Linux 5.13 or newer, with landlock among the LSMs)",
        (true, false) => "no seccomp filters (CONFIG_SECCOMP_FILTER)",
        (false, false) => "neither Landlock nor seccomp filters",
    };
    let usable = reason.is_empty();
    println!(r#"{{"landlock": {landlock}, "seccomp": {seccomp}, "usable": {usable}, "reason": "{reason}"}}"#);
    Ok(())
}
