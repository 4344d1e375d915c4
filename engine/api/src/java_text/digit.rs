//! Digits of all scripts.

/// Where each script's ten digits begin, as far as one UTF-16 unit reaches: Java looks at units, not at characters.
const ZEROS: [u16; 37] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
];

/// The value of a digit of any script (`Character.digit(char, 10)`).
#[inline]
pub fn digit(character: char) -> Option<u8> {
    let code = u32::from(character);
    if code < 0x660 {
        return character.to_digit(10).map(|digit| digit as u8);
    }
    let zero = ZEROS.iter().rev().find(|zero| u32::from(**zero) <= code)?;
    u8::try_from(code - u32::from(*zero)).ok().filter(|digit| *digit < 10)
}
