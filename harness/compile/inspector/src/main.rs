//! Inspects a candidate's source and the compiled binary; trusted itself, it trusts neither.
//!
//!     roundtable-inspector source < kernel.rs     JSON: findings of the policy
//!     roundtable-inspector binary kernel.so       JSON: exports, imports, constructors, instructions
//!     roundtable-inspector rules                  JSON: the table of rules

mod aarch64;
mod asm;
mod binary;
mod comments;
mod deferred;
mod macros;
mod names;
mod paths;
mod rules;
mod source;
mod structure;
mod tokens;
mod unused;
mod walk;
mod x86;

use std::io::Read;
use std::process::ExitCode;

const SOURCE_LIMIT: u64 = 1 << 20;
const BINARY_LIMIT: u64 = 256 << 20;
// The parser also recurses over operators, which brackets do not limit: room for one megabyte of them.
const STACK: usize = 1 << 30;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let work = std::thread::Builder::new().stack_size(STACK).spawn(move || answer(&arguments));
    let answered = match work.map(std::thread::JoinHandle::join) {
        Ok(Ok(answered)) => answered,
        Ok(Err(_)) => Err("panicked".to_owned()),
        Err(error) => Err(format!("no thread: {error}")),
    };
    match answered {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("roundtable-inspector: {reason}");
            ExitCode::from(2)
        }
    }
}

fn answer(arguments: &[String]) -> Result<String, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let json = match words.as_slice() {
        ["source"] => {
            let bytes = bounded(std::io::stdin().lock(), SOURCE_LIMIT)?;
            let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
            serde_json::to_string(&source::report(&text))
        }
        ["binary", path] => {
            let file = std::fs::File::open(path).map_err(|error| format!("{path}: {error}"))?;
            serde_json::to_string(&binary::report(&bounded(file, BINARY_LIMIT)?)?)
        }
        ["rules"] => serde_json::to_string(rules::RULES),
        _ => return Err("usage: roundtable-inspector source | binary PATH | rules".to_owned()),
    };
    json.map_err(|error| error.to_string())
}

fn bounded(from: impl Read, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("larger than {limit} bytes"));
    }
    Ok(bytes)
}
