//! The command line of `run`, written by harness/judge/worker/client.py.

use crate::abi::Abi;
use crate::fault::Fault;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// The arguments of `run`. Descriptors have fixed numbers, see `wire`.
pub struct Run {
    pub library: Option<CString>,
    pub symbol: CString,
    pub abi: Abi,
    /// Address space in bytes that the program may use beyond what the host itself uses.
    pub memory_bytes: u64,
    pub cores: Vec<usize>,
    /// Bytes of the regions A, B, C; whole pages.
    pub regions: [usize; 3],
    pub parent: i32,
    pub sandboxed: bool,
}

impl Run {
    pub fn parse(words: Vec<OsString>) -> Result<Self, Fault> {
        let mut run = Run {
            library: None,
            symbol: CString::default(),
            abi: Abi::Null,
            memory_bytes: 0,
            cores: Vec::new(),
            regions: [0; 3],
            parent: 0,
            sandboxed: true,
        };
        let mut words = words.into_iter();
        while let Some(option) = words.next() {
            let option = option.to_string_lossy().into_owned();
            if option == "--unsandboxed" {
                run.sandboxed = false;
                continue;
            }
            let value = words.next().ok_or_else(|| Fault::usage(format!("{option} needs a value")))?;
            run.set(&option, value)?;
        }
        Ok(run)
    }

    fn set(&mut self, option: &str, value: OsString) -> Result<(), Fault> {
        let text = value.to_string_lossy().into_owned();
        let wrong = || Fault::usage(format!("{option} {text}: not understood"));
        let raw = || CString::new(value.clone().into_vec()).map_err(|_| wrong());
        match option {
            "--library" => self.library = Some(raw()?),
            "--symbol" => self.symbol = raw()?,
            "--abi" => self.abi = Abi::parse(&text).ok_or_else(wrong)?,
            "--memory" => self.memory_bytes = text.parse().map_err(|_| wrong())?,
            "--parent" => self.parent = text.parse().map_err(|_| wrong())?,
            "--cores" => self.cores = numbers(&text).ok_or_else(wrong)?,
            "--regions" => self.regions = numbers(&text).and_then(|n| n.try_into().ok()).ok_or_else(wrong)?,
            _ => return Err(Fault::usage(format!("unknown option {option}"))),
        }
        Ok(())
    }
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',').filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}
