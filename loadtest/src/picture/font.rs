//! The letters of a PNG: Noto Sans Mono as a crate has it in it, already drawn at a few heights, so that no font need be installed.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster, get_raster_width};

use super::raster::SCALE;
use super::{Text, Weight};

const HEIGHTS: [RasterHeight; 3] = [RasterHeight::Size20, RasterHeight::Size24, RasterHeight::Size32];

/// Of a glyph's height, which has room between lines in it: the crate's own figure.
const SIZE_OF_HEIGHT: f64 = 0.73;

/// Letters of one height and weight. All lengths are pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Face {
    height: RasterHeight,
    weight: FontWeight,
}

impl Face {
    /// The largest letters that are no larger than the text's, else the smallest that there are: scaled ones would be blurred.
    pub(super) fn of(text: &Text) -> Face {
        let fits = |height: &&RasterHeight| height.val() as f64 * SIZE_OF_HEIGHT <= text.size * SCALE;
        let height = HEIGHTS.iter().rfind(fits).copied().unwrap_or(HEIGHTS[0]);
        let weight = match text.weight {
            Weight::Regular => FontWeight::Regular,
            Weight::Bold => FontWeight::Bold,
        };
        Face { height, weight }
    }

    /// A letter that the font has not is a question mark.
    pub(super) fn glyph(self, letter: char) -> Option<RasterizedChar> {
        let get = |letter| get_raster(letter, self.weight, self.height);
        get(letter).or_else(|| get('?'))
    }

    /// From one letter's left edge to the next one's.
    pub(super) fn advance(self) -> usize {
        get_raster_width(self.weight, self.height)
    }

    pub(super) fn width(self, words: &str) -> usize {
        self.advance() * words.chars().count()
    }

    pub(super) fn height(self) -> usize {
        self.height.val()
    }

    /// Rows above the line that letters stand on, which is where an H ends.
    pub(super) fn ascent(self) -> usize {
        let last =
            self.glyph('H').and_then(|glyph| glyph.rows().rposition(|row| row.iter().any(|ink| *ink > 0)));
        last.map_or(self.height(), |last| last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn height(size: f64) -> usize {
        Face::of(&Text { size, ..Text::at(0.0, 0.0, "") }).height()
    }

    #[test]
    fn what_is_larger_in_the_svg_is_larger_in_the_png() {
        assert!(height(11.0) < height(Text::SIZE) && height(Text::SIZE) < height(18.0));
        assert_eq!((height(1.0), height(100.0)), (20, 32));
    }

    #[test]
    fn signs_of_results_have_glyphs_and_others_are_question_marks() {
        let face = Face::of(&Text::at(0.0, 0.0, ""));
        let question = face.glyph('?').unwrap();
        for letter in "Aqueduct, 10 µs: 2.5× less".chars() {
            assert_ne!(face.glyph(letter).unwrap(), question, "{letter}");
        }
        assert_eq!(face.glyph('\u{4e00}'), Some(question));
    }
}
