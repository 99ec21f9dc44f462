//! The three regions A, B, C in shared memory, each between wide guard areas that fault on any access.

use crate::fault::Fault;
use crate::wire::{Range, REGIONS};
use std::ptr::null_mut;

/// Guard bytes on both sides of each region: so wide that one row of a large matrix cannot jump over them.
const GUARD_BYTES: usize = 16 << 20;

#[derive(Clone, Copy)]
pub struct Region {
    pub base: *mut u8,
    bytes: usize,
    protection: i32,
}

/// Maps the parent's descriptors. A and B can never be made writable, because their descriptors are read-only.
pub fn map(sizes: [usize; 3]) -> Result<[Region; 3], Fault> {
    let read = libc::PROT_READ;
    let protections = [read, read, read | libc::PROT_WRITE];
    let mut regions = [Region { base: null_mut(), bytes: 0, protection: 0 }; 3];
    for (index, region) in regions.iter_mut().enumerate() {
        let (bytes, protection) = (sizes[index], protections[index]);
        // SAFETY: fresh address space, then our own descriptor into the middle of it.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
            let outer = libc::mmap(null_mut(), bytes + 2 * GUARD_BYTES, libc::PROT_NONE, flags, -1, 0);
            if outer == libc::MAP_FAILED {
                return Err(Fault::system("cannot reserve a region"));
            }
            let inner = outer.cast::<u8>().add(GUARD_BYTES);
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            if libc::mmap(inner.cast(), bytes, protection, flags, REGIONS[index], 0) == libc::MAP_FAILED {
                return Err(Fault::system("cannot map a region"));
            }
            *region = Region { base: inner, bytes, protection };
            libc::close(REGIONS[index]);
        }
    }
    Ok(regions)
}

/// Protects everything, then opens the given page ranges.
pub fn refence(regions: &[Region; 3], open: &[Range]) -> bool {
    // SAFETY: only ranges inside our own mappings, checked below.
    let protect = |region: &Region, start: usize, length: usize, protection: i32| unsafe {
        libc::mprotect(region.base.add(start).cast(), length, protection) == 0
    };
    regions.iter().all(|region| protect(region, 0, region.bytes, libc::PROT_NONE))
        && open.iter().all(|range| {
            let region = &regions[range.region as usize];
            let (start, length) = (range.start as usize, range.length as usize);
            start + length <= region.bytes && protect(region, start, length, region.protection)
        })
}
