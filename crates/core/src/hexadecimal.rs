//! Lower-case hexadecimal digits of ids and hashes, written where they are needed and kept nowhere.

use data_encoding::HEXLOWER;

/// Most bytes that are written: those of a SHA-256.
const BYTES_MAX: usize = 32;

/// What `with` makes of the digits of these bytes.
pub(crate) fn written<const N: usize, T>(bytes: &[u8; N], with: impl FnOnce(&str) -> T) -> T {
    const { assert!(N <= BYTES_MAX, "there is room for a hash") };
    let mut room = [0; 2 * BYTES_MAX];
    let digits = &mut room[..2 * N];
    HEXLOWER.encode_mut(bytes, digits);
    // Digits are text.
    with(std::str::from_utf8(digits).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_becomes_two_digits() {
        assert_eq!(written(&[0x00, 0x0a, 0xff], str::to_owned), "000aff");
        assert_eq!(written(&[7; 32], str::len), 64);
    }
}
