"""Sources that only look as if they were never compiled, with the rule that rejects each: a part of
refused_sources.py.
"""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

GUISES: list[tuple[str, str]] = [
    ("files", "#[cfg(test)] mod a {} mod b { use std::fs; }"),
    ("files", '#[cfg(test)] fn a() {} fn b() { let _ = std::fs::read("x"); }'),
    ("files", "#[cfg(test)] use a::b; use std::fs;"),
    ("files", "#[cfg(not(test))] mod a { use std::fs; }"),
    ("files", "#[cfg(any(test, not(test)))] mod a { use std::fs; }"),
    ("files", "#[cfg_attr(test, cfg(test))] mod a { use std::fs; }"),
    ("files", "struct A { #[cfg(test)] x: u8, y: std::fs::File }"),
    ("files", 'fn a() { #[cfg(test)] let x = 1; let _ = std::fs::read("x"); }'),
    ("files", 'trait A { #[cfg(test)] fn a(); fn b() { let _ = std::fs::read("x"); } }'),
    ("files", 'fn f<#[cfg(test)] const N: usize>() { let _ = std::fs::read("x"); } const Z: u8 = 1;'),
    ("files", "struct S(#[cfg(test)] fn(), std::fs::File, Vec<[u8; 1]>); impl S {}"),
    (
        "files",
        "type F = [u8; { #[cfg(any(test))] const N: usize = 1; #[cfg(any())] const N: usize = 1; std::fs::x }];",
    ),
    ("files", "#[cfg(any(test, unix))] mod a { use std::fs; }"),
    ("files", "#[cfg(all())] mod a { use std::fs; }"),
    ("files", "#[cfg(not(debug_assertions))] mod a { use std::fs; }"),
    ("input-output", '#[cfg(not(feature = "quiet"))] fn show() { println!("x"); }'),
    (
        "input-output",
        '#[cfg(any(feature = "x", target_arch = "x86_64", target_arch = "aarch64"))] fn s() { println!("x"); }',
    ),
    ("crate-attribute", "#![cfg_attr(not(test), feature(portable_simd))]"),
    ("input-output", 'fn x() { #[cfg(test)] { let _ = 1; } println!("x"); }'),
    ("clock", "use std::time::*; enum When { Instant } fn x() { let _ = Instant::now(); }"),
    ("files", "#[cfg(all())] mod a { use std::fs; }"),
    ("files", "#[cfg(not(all(test)))] mod a { use std::fs; }"),
    ("files", "#[cfg(all(not(test), unix))] mod a { use std::fs; }"),
    ("files", "mod a { #![cfg(not(test))] use std::fs; }"),
    ("files", "mod a { #![allow(unused)] fn x() {} #[cfg(test)] fn y() {} use std::fs; }"),
    ("files", "mod b { mod a { #![cfg(test)] } use std::fs; }"),
    ("files", '#[cfg(test)] struct A; fn b() { let _ = std::fs::read("x"); }'),
    ("files", "#[cfg(test)] impl A<{ 1 }> for B {} use std::fs;"),
    ("files", "#[cfg(test)] const X: u8 = { 1 }; use std::fs;"),
    ("files", "#[cfg(test)] macro_rules! a { () => { } } use std::fs;"),
    ("files", "#[cfg(test)] macro_rules! a ( () => { } ); use std::fs;"),
    ("files", 'fn a() { #[cfg(test)] unsafe {} let _ = std::fs::read("x"); }'),
    ("files", "#[test] struct A; use std::fs;"),
    ("attribute", '#[test_case] fn a() { let _ = std::fs::read("x"); }'),
    ("files", 'use core::prelude::v1::derive as test; #[test] fn a() { let _ = std::fs::read("x"); }'),
    ("files", 'macro_rules! test { () => {} } #[test] fn a() { let _ = std::fs::read("x"); }'),
    ("files", 'macro_rules! m { ($i:item) => { $i } } m! { #[test] fn a() { let _ = std::fs::read("x"); } }'),
    ("files", '#[cfg(test)] trait A = Send; fn a() { let _ = std::fs::read("x"); }'),
    ("files", '#[cfg(test)] macro_rules! {} fn a() { let _ = std::fs::read("x"); } use a as b;'),
    ("files", '#[cfg(test)] macro_rules! a () fn a() { let _ = std::fs::read("x"); } use a as b;'),
    # a main function with a caller or an effect
    ("input-output", 'fn main() { println!("x"); } fn x() { main() }'),
    ("input-output", 'fn main() { struct X; impl Drop for X { fn drop(&mut self) { println!("x"); } } }'),
    ("input-output", 'macro_rules! m { () => { println!("x") } } fn main() { m!(); }'),
    ("input-output", 'mod q { pub fn main() { println!("x"); } }'),
    ("input-output", 'macro_rules! m { ($i:item) => { $i } } m! { fn main() { println!("x"); } }'),
    ("include", 'fn main() { let _ = include_str!("/etc/passwd"); }'),
    ("global-asm", 'fn main() { core::arch::global_asm!(".section .init_array"); }'),
    ("exported-symbol", "#[no_mangle] fn main() { }"),
    ("exported-symbol", "fn main() { #[no_mangle] fn a() {} }"),
    ("environment", 'fn main() { const X: &str = env!("PATH"); }'),
    (
        "files",
        'macro_rules! a { ($(#[$m:meta])* $i:item) => { $i } } a! { #[cfg(test)] fn b() { let _ = std::fs::read("x"); } }',
    ),
]
