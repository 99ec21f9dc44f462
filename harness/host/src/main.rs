//! `roundtable-host`: hosts one kernel (`run`), runs a compiler (`jail`), reports what the sandbox supports here
//! (`probe`).

mod abi;
mod calls;
mod fault;
mod fpenv;
mod options;
mod regions;
mod serve;
mod wire;

#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod jail;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod seal;
#[cfg(target_os = "linux")]
mod trap;

use fault::Fault;

fn main() {
    let mut words = std::env::args_os().skip(1);
    let verb = words.next().unwrap_or_default();
    let rest: Vec<_> = words.collect();
    let result = match verb.to_str() {
        Some("run") => options::Run::parse(rest).and_then(serve::serve),
        #[cfg(target_os = "linux")]
        Some("jail") => jail::jail(rest).map_err(Fault::of_the_jail),
        #[cfg(target_os = "linux")]
        Some("probe") => probe::probe(),
        _ => Err(Fault::usage("usage: roundtable-host run|jail|probe ...; see harness/host/README.md")),
    };
    if let Err(fault) = result {
        fault.leave();
    }
}
