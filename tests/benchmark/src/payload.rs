//! The file that is distributed: noise, the same in every run, known by its hash.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Writes so many MiB of noise, and gives its hash.
pub(crate) fn make(path: &Path, mib: u64) -> io::Result<[u8; 32]> {
    let mut file = File::create(path)?;
    let mut hash = Sha256::new();
    let mut state = mib;
    for _ in 0..mib {
        let block: Vec<u8> =
            (0..MIB / 8).flat_map(|_| splitmix(&mut state).to_le_bytes()).collect();
        hash.update(&block);
        file.write_all(&block)?;
    }
    Ok(hash.finalize().into())
}

/// The hash of a file.
pub(crate) fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; MIB];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&block[..read]),
        }
    }
}

/// Sebastiano Vigna's SplitMix64.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Bytes of a MiB.
pub(crate) const MIB: usize = 1 << 20;
