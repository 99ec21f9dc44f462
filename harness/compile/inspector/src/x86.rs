//! Forbidden instructions of x86-64, by a linear sweep with iced-x86.

use crate::binary::Forbidden;
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};
use std::collections::HashSet;

/// Reports forbidden instructions, and references into the middle of an instruction: what is executed there is another
/// instruction, which the sweep does not see.
pub fn scan(code: &[u8], address: u64, mut found: impl FnMut(Forbidden)) {
    let (mut starts, mut referred) = (HashSet::new(), Vec::new());
    for instruction in &mut Decoder::with_ip(64, code, address, DecoderOptions::NONE) {
        starts.insert(instruction.ip());
        referred.extend(targets(&instruction).map(|to| (instruction.ip(), to)));
        if forbidden(&instruction) {
            let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
            found(Forbidden { mnemonic, address: instruction.ip() });
        }
    }
    let inside = address..address + code.len() as u64;
    for (from, _) in referred.into_iter().filter(|(_, to)| inside.contains(to) && !starts.contains(to)) {
        found(Forbidden { mnemonic: "branch into an instruction".to_owned(), address: from });
    }
}

/// Reports every (address of the instruction, address it refers to): near branches and rip-relative operands.
pub fn references(code: &[u8], address: u64, mut found: impl FnMut(u64, u64)) {
    for instruction in &mut Decoder::with_ip(64, code, address, DecoderOptions::NONE) {
        targets(&instruction).for_each(|to| found(instruction.ip(), to));
    }
}

fn targets(instruction: &Instruction) -> impl Iterator<Item = u64> {
    let operand = instruction.is_ip_rel_memory_operand().then(|| instruction.ip_rel_memory_address());
    let branches = matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    let branch = (instruction.op_count() > 0 && branches).then(|| instruction.near_branch_target());
    operand.into_iter().chain(branch)
}

fn forbidden(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    let by_name = matches!(
        instruction.mnemonic(),
        M::Syscall
            | M::Sysenter
            | M::Int
            | M::Rdtsc
            | M::Rdtscp
            | M::Rdpmc
            | M::Rdpru
            | M::Umonitor
            | M::Umwait
            | M::Tpause
            | M::Monitorx
            | M::Mwaitx
            | M::Rdpid
            | M::Rdrand
            | M::Rdseed
            | M::Ldmxcsr
            | M::Vldmxcsr
            | M::Fldcw
            | M::Fldenv
            | M::Frstor
            | M::Fxrstor
            | M::Fxrstor64
            | M::Xrstor
            | M::Xrstor64
            | M::Xrstors
            | M::Xrstors64
            | M::Xsetbv
            | M::Wrpkru
            | M::Wrfsbase
            | M::Wrgsbase
            | M::Vcvtph2ps
            | M::Vcvtps2ph
            | M::Vmcall
            | M::Vmmcall
            | M::Pmaddubsw
            | M::Vpmaddubsw
    );
    // Moves of 16 bits that change none of them: with AVX512-FP16, rustc compares byte strings with these.
    let pure_move = matches!(instruction.mnemonic(), M::Vmovw | M::Vmovsh);
    // LLVM itself chooses these for sums of products of 16-bit integers: an honest kernel may have a table of bytes.
    // The policy refuses them where they are written by hand.
    let of_plain_integers = matches!(instruction.mnemonic(), M::Pmaddwd | M::Vpmaddwd | M::Vpdpwssd);
    by_name
        || !(pure_move || of_plain_integers)
            && instruction.cpuid_features().iter().any(|feature| {
                matches!(
                    feature,
                    CpuidFeature::AVX512_BF16
                        | CpuidFeature::AVX512_FP16
                        | CpuidFeature::AVX_NE_CONVERT
                        | CpuidFeature::AMX_TILE
                        | CpuidFeature::AMX_BF16
                        | CpuidFeature::AMX_INT8
                        | CpuidFeature::AMX_FP16
                        | CpuidFeature::AMX_COMPLEX
                        | CpuidFeature::F16C
                        | CpuidFeature::AVX512_VNNI
                        | CpuidFeature::AVX_VNNI
                        | CpuidFeature::AVX_VNNI_INT8
                        | CpuidFeature::AVX_VNNI_INT16
                        | CpuidFeature::AVX512_IFMA
                        | CpuidFeature::AVX_IFMA
                        | CpuidFeature::RTM
                )
            })
}
