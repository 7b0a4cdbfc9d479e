//! Keys that let agents in: made from the operating system's randomness, compared without telling
//! by the time it takes how much of them was right.

use murder_protocol::Secret;

/// A new key of 128 bits.
pub(super) fn fresh() -> Result<Secret, getrandom::Error> {
    Ok(Secret(hex::<16>()?))
}

/// As many random bytes as asked for, in hex.
pub(super) fn hex<const N: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A random number, to seed a generator.
pub(super) fn number() -> Result<u64, getrandom::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Whether two keys are the same, without telling by the time it takes how much of them is.
pub(super) fn same(one: &Secret, other: &Secret) -> bool {
    crate::channel::same(&one.0, &other.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_as_itself_only() {
        let key = fresh().unwrap();
        assert_eq!(key.0.len(), 32);
        assert!(same(&key, &key.clone()));
        for other in [String::new(), key.0[1..].to_owned(), format!("{}0", key.0)] {
            assert!(!same(&key, &Secret(other)));
        }
        assert!(!same(&key, &fresh().unwrap()));
    }
}
