//! Forbidden instructions of x86-64, by a linear sweep with iced-x86.

use crate::binary::Forbidden;
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Instruction, Mnemonic};

pub fn scan(code: &[u8], address: u64, mut found: impl FnMut(Forbidden)) {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if forbidden(&instruction) {
            let mnemonic = format!("{:?}", instruction.mnemonic()).to_lowercase();
            found(Forbidden { mnemonic, address: instruction.ip() });
        }
    }
}

fn forbidden(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    let by_name = matches!(
        instruction.mnemonic(),
        M::Syscall | M::Sysenter | M::Int | M::Rdtsc | M::Rdtscp | M::Rdpmc | M::Rdpid | M::Rdrand | M::Rdseed
            | M::Ldmxcsr | M::Vldmxcsr | M::Fldcw | M::Fldenv | M::Frstor | M::Fxrstor | M::Fxrstor64
            | M::Xrstor | M::Xrstor64 | M::Xrstors | M::Xrstors64 | M::Xsetbv | M::Wrpkru | M::Wrfsbase | M::Wrgsbase
            | M::Vcvtph2ps | M::Vcvtps2ph | M::Vmcall | M::Vmmcall
    );
    by_name || instruction.cpuid_features().iter().any(|feature| {
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
                | CpuidFeature::RTM
        )
    })
}
