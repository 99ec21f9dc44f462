//! Landlock: the files that the sandboxed process can see.

use crate::fault::Fault;
use landlock::{
    path_beneath_rules, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, Scope, ABI,
};
use std::path::PathBuf;

/// The newest ABI whose rights are requested; older kernels enforce the part that they know.
const NEWEST: ABI = ABI::V6;
const WAY_OUT: &str = "Landlock needs Linux 5.13 or newer with landlock among its LSMs; \
                       without it run with --unsandboxed, at your own risk";

/// Allows no file, no directory, no TCP port, and no signal or abstract socket to the outside.
pub fn allow_nothing() -> Result<(), Fault> {
    enforce(handled()?)
}

/// Allows these folders and files for the compiler; paths that do not exist are skipped.
pub fn allow(read: &[PathBuf], write: &[PathBuf], execute: &[PathBuf]) -> Result<(), Fault> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    // Device files that C programs expect.
    let devices = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"];
    let rules = handled()?
        .add_rules(path_beneath_rules(read, reading))
        .and_then(|r| r.add_rules(path_beneath_rules(execute, reading | AccessFs::Execute)))
        .and_then(|r| r.add_rules(path_beneath_rules(write, AccessFs::from_all(NEWEST) & !AccessFs::Execute)))
        .and_then(|r| r.add_rules(path_beneath_rules(devices, AccessFs::ReadFile | AccessFs::WriteFile)))
        .map_err(Fault::sandbox)?;
    enforce(rules)
}

fn handled() -> Result<RulesetCreated, Fault> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map(|r| r.set_compatibility(CompatLevel::BestEffort))
        .and_then(|r| r.handle_access(AccessFs::from_all(NEWEST)))
        .and_then(|r| r.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|r| r.scope(Scope::from_all(NEWEST)))
        .and_then(|r| r.create())
        .map_err(|error| Fault::sandbox(format!("{error}; {WAY_OUT}")))
}

fn enforce(rules: RulesetCreated) -> Result<(), Fault> {
    let status = rules.restrict_self().map_err(|error| Fault::sandbox(format!("{error}; {WAY_OUT}")))?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(Fault::sandbox(WAY_OUT));
    }
    Ok(())
}

/// The Landlock version of this kernel; 0 when there is none.
pub fn version() -> i64 {
    const CREATE_RULESET: libc::c_long = 444;
    const VERSION: u32 = 1;
    // SAFETY: the documented query: no attributes, the version flag.
    unsafe { libc::syscall(CREATE_RULESET, std::ptr::null::<u8>(), 0usize, VERSION) }.max(0)
}
