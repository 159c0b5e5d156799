//! Columns and texts that grow piece by piece: growing neither moves what is there nor takes room for twice of it. Texts can
//! leave memory.

use std::borrow::Cow;
use std::ops::{Index, IndexMut};

use crate::Error;
use crate::spill::Away;

/// How many items a piece of a column holds, as a power of two.
const PIECE_BITS: usize = 14;
const PIECE: usize = 1 << PIECE_BITS;

/// Items by their number. A new piece is reserved as a whole.
#[derive(Debug)]
pub(crate) struct Column<T> {
    pieces: Vec<Vec<T>>,
    length: usize,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            length: 0,
        }
    }
}

impl<T> Column<T> {
    pub(crate) fn push(&mut self, item: T) {
        if self.length.is_multiple_of(PIECE) {
            // The first piece grows like any vector: most columns of small data never fill it.
            let room = if self.pieces.is_empty() { 0 } else { PIECE };
            self.pieces.push(Vec::with_capacity(room));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(item);
            self.length += 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.pieces.iter().flatten()
    }

    /// What it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.pieces.len() * PIECE.min(self.length) * size_of::<T>()
    }
}

impl<T> Index<u32> for Column<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        let number = number as usize;
        &self.pieces[number >> PIECE_BITS][number % PIECE]
    }
}

impl<T> IndexMut<u32> for Column<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        let number = number as usize;
        &mut self.pieces[number >> PIECE_BITS][number % PIECE]
    }
}

/// Texts by their place, which is where they stand in words of four bytes: thirty-two bits reach sixteen gigabytes.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pieces: Vec<Piece>,
    /// What the pieces but the last take, in bytes.
    reserved: usize,
    away: Away,
    /// How many pieces have left memory: the first ones.
    gone: usize,
}

#[derive(Debug)]
enum Piece {
    Here(Vec<u8>),
    /// Where it starts, and its length.
    Away(u64, usize),
}

const WORD: usize = 4;
/// How many words a piece of texts has, as a power of two. A text that is longer has a piece of its own.
const TEXTS_BITS: usize = 16;
const TEXTS: usize = WORD << TEXTS_BITS;
/// Lengths from here on follow in four bytes of their own.
const LONG: u8 = u8::MAX;
/// What is read of a text at once that is not in memory: most are shorter.
const GLANCE: usize = 64;

impl Texts {
    /// Texts that can leave memory for this place.
    pub(crate) fn away(&mut self, away: &Away) {
        self.away = away.clone();
    }

    /// The place of a text from now on.
    pub(crate) fn push(&mut self, text: &str) -> Result<u32, Error> {
        let head = if text.len() < usize::from(LONG) { 1 } else { 1 + 4 };
        let room = (head + text.len()).next_multiple_of(WORD);
        let last = self.pieces.last().map(Piece::len);
        if last.is_none_or(|length| length + room > TEXTS) {
            self.reserved += self.pieces.last().map_or(0, Piece::memory);
            // The first piece grows like any vector, as in a column.
            let reserved = if last.is_none() { room } else { room.max(TEXTS) };
            self.pieces.push(Piece::Here(Vec::with_capacity(reserved)));
        }
        let too_many = || Error::TooMany {
            what: "words of text",
        };
        let length = u32::try_from(text.len()).map_err(|_| too_many())?;
        let number = self.pieces.len() - 1;
        let Some(Piece::Here(piece)) = self.pieces.last_mut() else {
            // The last piece never leaves.
            return Err(too_many());
        };
        let place = (number << TEXTS_BITS) + piece.len() / WORD;
        let end = piece.len() + room;
        match u8::try_from(length) {
            Ok(short) if short < LONG => piece.push(short),
            _ => {
                piece.push(LONG);
                piece.extend_from_slice(&length.to_le_bytes());
            }
        }
        piece.extend_from_slice(text.as_bytes());
        piece.resize(end, 0);
        u32::try_from(place).map_err(|_| too_many())
    }

    /// The place of a text that takes the place of another, which is the same where it is no longer.
    pub(crate) fn replace(&mut self, place: u32, text: &str) -> Result<u32, Error> {
        let (number, head) = split(place);
        match &mut self.pieces[number] {
            Piece::Here(piece) if text.len() <= usize::from(piece[head]) && piece[head] < LONG => {
                piece[head] = text.len() as u8;
                piece[head + 1..][..text.len()].copy_from_slice(text.as_bytes());
                Ok(place)
            }
            _ => self.push(text),
        }
    }

    pub(crate) fn get(&self, place: u32) -> Cow<'_, str> {
        let (number, head) = split(place);
        // Whole texts were put there, so this is one.
        match &self.pieces[number] {
            Piece::Here(piece) => {
                let (start, length) = measure(&piece[head..]);
                let text = std::str::from_utf8(&piece[head..][start..][..length]);
                Cow::Borrowed(text.unwrap_or_default())
            }
            Piece::Away(at, length) => {
                let mut glance = [0; GLANCE];
                let glance = &mut glance[..GLANCE.min(length - head)];
                let at = at + head as u64;
                self.away.read(at, glance);
                let (start, length) = measure(glance);
                let mut text = vec![0; length];
                match glance.get(start..start + length) {
                    Some(whole) => text.copy_from_slice(whole),
                    None => self.away.read(at + start as u64, &mut text),
                }
                Cow::Owned(String::from_utf8(text).unwrap_or_default())
            }
        }
    }

    /// Sends all pieces but the last away, if there is a place for them.
    pub(crate) fn spill(&mut self) -> Result<(), Error> {
        while self.gone + 1 < self.pieces.len() {
            let piece = &mut self.pieces[self.gone];
            if let Piece::Here(bytes) = piece {
                let Some(at) = self.away.write(bytes)? else {
                    return Ok(());
                };
                self.reserved -= bytes.capacity();
                *piece = Piece::Away(at, bytes.len());
            }
            self.gone += 1;
        }
        Ok(())
    }

    /// What they take, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.reserved + self.pieces.last().map_or(0, Piece::memory) + self.pieces.len() * size_of::<Piece>()
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::Away(_, length) => *length,
        }
    }

    fn memory(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.capacity(),
            Self::Away(..) => 0,
        }
    }
}

/// The piece of a place, and where in it that is.
fn split(place: u32) -> (usize, usize) {
    let place = place as usize;
    (place >> TEXTS_BITS, (place % (1 << TEXTS_BITS)) * WORD)
}

/// Where in these bytes the characters of the text start that they begin with, and how many bytes they are.
fn measure(bytes: &[u8]) -> (usize, usize) {
    match bytes[0] {
        LONG => {
            let length = bytes[1..].first_chunk().copied().unwrap_or_default();
            (5, u32::from_le_bytes(length) as usize)
        }
        short => (1, usize::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_where_they_are() {
        let mut column = Column::default();
        for number in 0..3 * PIECE as u32 + 7 {
            column.push(number);
        }
        assert_eq!(column.len(), 3 * PIECE + 7);
        assert!((0..column.len() as u32).all(|number| column[number] == number));
        assert!(column.iter().copied().eq(0..column.len() as u32));
        column[PIECE as u32] = 0;
        assert_eq!(column[PIECE as u32], 0);
        assert_eq!(column.memory(), 4 * PIECE * size_of::<u32>());
    }

    #[test]
    fn texts_of_any_length_are_found_again() {
        let mut texts = Texts::default();
        let lengths = [0, 1, 3, 4, 5, 253, 254, 255, 256, 70_000, TEXTS, TEXTS + 1, 2];
        let text =
            |number: usize, length: usize| "äbcd"[number % 2 * 2..].repeat(length)[..length].to_owned();
        let kept: Vec<(u32, String)> = (0..40 * lengths.len())
            .map(|number| (number, text(number | 1, lengths[number % lengths.len()])))
            .map(|(_, text)| (texts.push(&text).unwrap(), text))
            .collect();
        for (place, text) in &kept {
            assert_eq!(texts.get(*place), text.as_str());
        }
        // One that fits takes the place, one that does not goes elsewhere; neighbours stay.
        let (place, _) = kept[5];
        assert_eq!(texts.replace(place, "ä").unwrap(), place);
        assert_eq!(texts.get(place), "ä");
        let moved = texts.replace(place, "longer").unwrap();
        assert_ne!(moved, place);
        assert_eq!(
            (texts.get(moved).as_ref(), texts.get(kept[6].0).as_ref()),
            ("longer", kept[6].1.as_str())
        );
    }
}
