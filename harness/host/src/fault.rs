//! Failures of the host: one line on stderr and an exit code that the parent knows.

/// A failure of the host itself, never of the candidate.
#[derive(Debug)]
pub struct Fault {
    code: i32,
    text: String,
}

impl Fault {
    /// The sandbox cannot be set up: exit code 125.
    pub fn sandbox(text: impl std::fmt::Display) -> Self {
        Self { code: 125, text: format!("sandbox: {text}") }
    }

    /// The library or its symbol cannot be used: exit code 124.
    pub fn library(text: impl std::fmt::Display) -> Self {
        Self { code: 124, text: format!("library: {text}") }
    }

    /// A system call failed that should not: exit code 123.
    pub fn system(what: &str) -> Self {
        Self { code: 123, text: format!("{what}: {}", std::io::Error::last_os_error()) }
    }

    /// The same failure with the one exit code that the caller of `jail` expects.
    pub fn of_the_jail(self) -> Self {
        if self.code == 123 {
            Self::sandbox(self.text)
        } else {
            self
        }
    }

    /// Wrong command line: exit code 122.
    pub fn usage(text: impl std::fmt::Display) -> Self {
        Self { code: 122, text: text.to_string() }
    }

    /// Prints the reason and ends the process without running anything that a candidate registered with atexit.
    pub fn leave(&self) -> ! {
        let line = format!("roundtable-host: {}\n", self.text.replace('\n', " "));
        // SAFETY: writes our own buffer, then ends the process.
        unsafe {
            libc::write(2, line.as_ptr().cast(), line.len());
            libc::_exit(self.code)
        }
    }
}

/// Turns the result "-1 and errno" into a Fault.
pub fn checked(result: libc::c_int, what: &str) -> Result<libc::c_int, Fault> {
    if result < 0 {
        Err(Fault::system(what))
    } else {
        Ok(result)
    }
}
