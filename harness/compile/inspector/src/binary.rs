//! Facts about a compiled library: exports, imports, functions that run on loading, forbidden instructions.

use object::elf;
use object::read::elf::ProgramHeader;
use object::{
    Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionFlags, SectionKind, SegmentFlags, SymbolFlags,
};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub struct Report {
    pub exports: Vec<String>,
    pub undefined: Vec<String>,
    /// Names of functions that the loader runs by itself, from .init_array, .fini_array and similar sections.
    pub constructors: Vec<String>,
    pub needed: Vec<String>,
    pub indirect_functions: Vec<String>,
    pub executable_sections: Vec<String>,
    pub writable_code: Vec<String>,
    /// Imported functions that the candidate's own code references, each with one function that does (x86-64).
    pub referenced: BTreeMap<String, String>,
    /// "mnemonic in function" and its number of occurrences.
    pub forbidden: BTreeMap<String, usize>,
    /// Every function of the symbol table, demangled, without its hash.
    pub functions: Vec<String>,
    /// Address space needed for loading: segments with their zeroed parts, plus one thread's copy of thread-locals.
    pub memory_bytes: u64,
}

pub struct Forbidden {
    pub mnemonic: String,
    pub address: u64,
}

pub fn report(bytes: &[u8]) -> Result<Report, String> {
    let file = object::File::parse(bytes).map_err(|error| error.to_string())?;
    let names = Names::read(&file);
    Ok(Report {
        exports: sorted(
            file.dynamic_symbols()
                .filter(|symbol| symbol.is_definition() && symbol.is_global())
                .filter_map(|s| s.name().ok().map(str::to_owned)),
        ),
        undefined: sorted(
            file.dynamic_symbols().filter(ObjectSymbol::is_undefined).filter_map(|s| s.name().ok().map(str::to_owned)),
        ),
        constructors: constructors(&file, &names)?,
        needed: needed(&file),
        indirect_functions: sorted(
            file.symbols()
                .chain(file.dynamic_symbols())
                .filter(is_indirect)
                .filter_map(|s| s.name().ok().map(str::to_owned)),
        ),
        executable_sections: sorted(
            file.sections().filter(|s| is_executable(s.flags(), s.kind())).map(|s| s.name().unwrap_or("?").to_owned()),
        ),
        writable_code: writable_code(&file),
        referenced: referenced(&file, &names)?,
        forbidden: forbidden(&file, &names)?,
        functions: sorted(names.0.values().map(|function| function.name.clone())),
        memory_bytes: memory_bytes(&file),
    })
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    names.sort();
    names.dedup();
    names
}

struct Function {
    name: String,
    /// Whether it was generated while compiling the candidate's crate, including generic functions of std: v0 symbols
    /// tell.
    candidates: bool,
}

/// Functions by address.
struct Names(BTreeMap<u64, Function>);

impl Names {
    fn read(file: &object::File<'_>) -> Self {
        let functions = file.symbols().chain(file.dynamic_symbols());
        let text = functions.filter(|symbol| symbol.is_definition() && symbol.kind() == object::SymbolKind::Text);
        let named = text.filter_map(|symbol| {
            let mangled = symbol.name().ok()?;
            let exported = matches!(mangled.trim_start_matches('_'), "harness_matmul" | "harness_sgemm");
            let candidates = mangled.contains("8contract") || exported;
            Some((symbol.address(), Function { name: format!("{:#}", rustc_demangle::demangle(mangled)), candidates }))
        });
        Names(named.collect())
    }

    fn function(&self, address: u64) -> Option<&Function> {
        self.0.range(..=address).next_back().map(|(_, function)| function)
    }

    fn at(&self, address: u64) -> String {
        self.function(address).map_or_else(|| "an unnamed function".to_owned(), |function| function.name.clone())
    }
}

const SELF_RUNNING: &[&str] = &[
    ".init_array",
    ".fini_array",
    ".preinit_array",
    ".ctors",
    ".dtors",
    "__mod_init_func",
    "__mod_term_func",
    "__init_offsets",
];

/// Functions that the loader calls by itself. The value of a slot is in the file or in the relocation that fills it.
fn constructors(file: &object::File<'_>, names: &Names) -> Result<Vec<String>, String> {
    let mut filled: BTreeMap<u64, u64> = BTreeMap::new();
    for (at, relocation) in file.dynamic_relocations().into_iter().flatten() {
        if relocation.target() == object::RelocationTarget::Absolute {
            filled.insert(at, relocation.addend() as u64);
        } else if let object::RelocationTarget::Symbol(index) = relocation.target() {
            let base = file
                .dynamic_symbol_table()
                .and_then(|table| object::ObjectSymbolTable::symbol_by_index(&table, index).ok());
            filled.insert(at, base.map_or(0, |symbol| symbol.address()).wrapping_add(relocation.addend() as u64));
        }
    }
    let mut found = Vec::new();
    for section in file.sections() {
        let name = section.name().unwrap_or("?");
        if !SELF_RUNNING.iter().any(|known| name == *known || name.starts_with(&format!("{known}."))) {
            continue;
        }
        let data = section.data().map_err(|error| error.to_string())?;
        for (index, slot) in data.chunks(8).enumerate() {
            let at = section.address() + 8 * index as u64;
            let mut raw = [0u8; 8];
            raw[..slot.len()].copy_from_slice(slot);
            let target = filled.get(&at).copied().unwrap_or_else(|| u64::from_le_bytes(raw));
            found.push(format!("{name}: {}", names.at(target)));
        }
    }
    found.sort();
    Ok(found)
}

fn needed(file: &object::File<'_>) -> Vec<String> {
    let imports = file.import_libraries();
    sorted(
        imports.into_iter().flatten().flatten().filter_map(|library| String::from_utf8(library.name().to_vec()).ok()),
    )
}

fn is_indirect<'data>(symbol: &impl ObjectSymbol<'data>) -> bool {
    const STT_GNU_IFUNC: u8 = 10;
    matches!(symbol.flags(), SymbolFlags::Elf { st_info, .. } if st_info.0 & 0xf == STT_GNU_IFUNC)
}

fn is_executable(flags: SectionFlags, kind: SectionKind) -> bool {
    const SHF_EXECINSTR: u64 = 4;
    match flags {
        SectionFlags::Elf { sh_flags, .. } => sh_flags.0 & SHF_EXECINSTR != 0,
        _ => kind == SectionKind::Text,
    }
}

fn writable_code(file: &object::File<'_>) -> Vec<String> {
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    let both = file.segments().filter(|segment| match segment.flags() {
        SegmentFlags::Elf { p_flags, .. } => p_flags.0 & (EXECUTE | WRITE) == EXECUTE | WRITE,
        SegmentFlags::MachO { initprot, .. } => initprot.0 & 6 == 6,
        _ => true,
    });
    both.map(|segment| format!("segment at {:#x}", segment.address())).collect()
}

fn memory_bytes(file: &object::File<'_>) -> u64 {
    let loaded = file.segments().map(|segment| segment.size());
    let thread_locals: Vec<u64> = match file {
        object::File::Elf64(elf) => {
            let of_threads = elf.elf_program_headers().iter().filter(|part| part.p_type(elf.endian()) == elf::PT_TLS);
            of_threads.map(|part| part.p_memsz(elf.endian())).collect()
        }
        _ => Vec::new(),
    };
    loaded.chain(thread_locals).fold(0, u64::saturating_add)
}

fn forbidden(file: &object::File<'_>, names: &Names) -> Result<BTreeMap<String, usize>, String> {
    let mut counts = BTreeMap::new();
    let scan: fn(&[u8], u64, &mut dyn FnMut(Forbidden)) = match file.architecture() {
        object::Architecture::X86_64 => |code, address, found| crate::x86::scan(code, address, found),
        object::Architecture::Aarch64 => |code, address, found| crate::aarch64::scan(code, address, found),
        other => return Err(format!("no table of forbidden instructions for {other:?}")),
    };
    for section in file.sections().filter(|section| is_executable(section.flags(), section.kind())) {
        let code = section.data().map_err(|error| error.to_string())?;
        scan(code, section.address(), &mut |hit| {
            *counts.entry(format!("{} in {}", hit.mnemonic, names.at(hit.address))).or_insert(0) += 1;
        });
    }
    Ok(counts)
}

/// Imports that the candidate's code calls or takes the address of, through the offset table or a stub of the linker.
fn referenced(file: &object::File<'_>, names: &Names) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    if file.architecture() != object::Architecture::X86_64 {
        return Ok(found);
    }
    let mut slots: BTreeMap<u64, String> = BTreeMap::new();
    for (at, relocation) in file.dynamic_relocations().into_iter().flatten() {
        let object::RelocationTarget::Symbol(index) = relocation.target() else { continue };
        let symbol = file
            .dynamic_symbol_table()
            .and_then(|table| object::ObjectSymbolTable::symbol_by_index(&table, index).ok());
        if let Some(name) = symbol.filter(ObjectSymbol::is_undefined).and_then(|symbol| symbol.name().ok()) {
            slots.insert(at, name.to_owned());
        }
    }
    let code: Vec<_> = file.sections().filter(|section| is_executable(section.flags(), section.kind())).collect();
    let (stubs, rest): (Vec<_>, Vec<_>) =
        code.iter().partition(|section| section.name().unwrap_or("").starts_with(".plt"));
    let mut reached = slots.clone();
    for section in stubs {
        let data = section.data().map_err(|error| error.to_string())?;
        crate::x86::references(data, section.address(), |from, to| {
            if let Some(name) = slots.get(&to) {
                reached.insert(from & !15, name.clone());
            }
        });
    }
    for section in rest {
        let data = section.data().map_err(|error| error.to_string())?;
        crate::x86::references(data, section.address(), |from, to| {
            let Some(name) = reached.get(&to) else { return };
            if let Some(function) = names.function(from).filter(|function| function.candidates) {
                found.entry(name.clone()).or_insert_with(|| function.name.clone());
            }
        });
    }
    Ok(found)
}
