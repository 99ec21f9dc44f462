//! Forbidden instructions of aarch64 by their bit patterns (Arm ARM, C4: A64 instruction set encoding).

use crate::binary::Forbidden;

/// (mask, value, mnemonic)
const PATTERNS: &[(u32, u32, &str)] = &[
    (0xFFE0_001F, 0xD400_0001, "svc"),
    (0xBFE0_FC00, 0x2E40_FC00, "bfdot"),
    (0xBFC0_F400, 0x0F40_F000, "bfdot (by element)"),
    (0xFFE0_FC00, 0x6E40_EC00, "bfmmla"),
    (0xBFE0_FC00, 0x2EC0_FC00, "bfmlal"),
    (0xBFC0_F400, 0x0FC0_F000, "bfmlal (by element)"),
    (0xFFFF_FC00, 0x1E63_4000, "bfcvt"),
    (0xBFFF_FC00, 0x0EA1_6800, "bfcvtn"),
    (0xBFE0_FC00, 0x0E40_0C00, "fmla (half)"),
    (0xBFC0_F400, 0x0F00_1000, "fmla (half, by element)"),
    (0xBFE0_FC00, 0x0E20_EC00, "fmlal (half)"),
    (0xFFE0_8000, 0x1FC0_0000, "fmadd (half)"),
    (0xBFFF_FC00, 0x0E21_6800, "fcvtn (to half)"),
    (0xBFFF_FC00, 0x0E21_7800, "fcvtl (from half)"),
    (0xFFFF_FC00, 0x1E23_C000, "fcvt (to half)"),
    (0xFFFF_FC00, 0x1EE2_4000, "fcvt (from half)"),
    (0xFFFF_FFE0, 0xD51B_4400, "msr fpcr"),
    (0xFFFF_FFE0, 0xD53B_E040, "mrs cntvct_el0"),
    (0xFFFF_FFE0, 0xD53B_2400, "mrs rndr"),
];

pub fn scan(code: &[u8], address: u64, mut found: impl FnMut(Forbidden)) {
    for (index, bytes) in code.chunks_exact(4).enumerate() {
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if let Some((_, _, name)) = PATTERNS.iter().find(|(mask, value, _)| word & mask == *value) {
            found(Forbidden { mnemonic: (*name).to_owned(), address: address + 4 * index as u64 });
        }
    }
}
