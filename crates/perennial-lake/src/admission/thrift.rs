//! Just enough of Thrift's compact protocol to measure a footer and a page header before a full parser allocates
//! what they announce.
//!
//! Encoding: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>; field numbers:
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

/// Deeper structures than any that the format has.
const MAX_DEPTH: usize = 32;

const I32: u8 = 5;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// The sizes that a footer announces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FooterShape {
    /// Elements of the schema, groups and columns alike.
    pub(super) elements: usize,
    /// How many of them have no children.
    pub(super) leaves: usize,
    /// The bytes of the longest name in the schema.
    pub(super) longest_name: usize,
    /// The longest way from the root to a column, the root not counted.
    pub(super) depth: usize,
    pub(super) row_groups: usize,
    /// The most columns that a row group announces.
    pub(super) row_group_columns: usize,
}

/// The sizes of one page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageShape {
    pub(super) dictionary: bool,
    pub(super) uncompressed: i64,
    pub(super) compressed: i64,
    pub(super) values: i64,
    /// How many bytes the header itself takes.
    pub(super) header: usize,
}

/// Walks a whole footer; none when it is not well-formed. Every announced list is then known to be there.
pub(super) fn footer_shape(bytes: &[u8]) -> Option<FooterShape> {
    let mut shape = FooterShape::default();
    let mut children = Vec::new();
    let mut reader = Reader { bytes };
    reader.structure(0, &mut |reader, id, kind| match (id, kind) {
        (2, LIST) => {
            let count = reader.list_of_structures()?;
            for _ in 0..count {
                let (name, of_element) = schema_element(reader)?;
                shape.longest_name = shape.longest_name.max(name);
                children.push(of_element);
            }
            Some(true)
        }
        (4, LIST) => {
            let count = reader.list_of_structures()?;
            shape.row_groups = count;
            for _ in 0..count {
                shape.row_group_columns = shape.row_group_columns.max(row_group_columns(reader)?);
            }
            Some(true)
        }
        _ => Some(false),
    })?;
    shape.elements = children.len();
    shape.leaves = children.iter().filter(|count| **count == 0).count();
    shape.depth = depth(&children)?;
    Some(shape)
}

/// Reads the page header at the beginning of `bytes`; none when it is malformed or longer than they are.
pub(super) fn page_shape(bytes: &[u8]) -> Option<PageShape> {
    let (mut kind, mut uncompressed, mut compressed, mut values) = (None, None, None, 0);
    let mut reader = Reader { bytes };
    reader.structure(0, &mut |reader, id, field| match (id, field) {
        (1..=3, I32) => {
            let value = reader.signed()?;
            match id {
                1 => kind = Some(value),
                2 => uncompressed = Some(value),
                _ => compressed = Some(value),
            }
            Some(true)
        }
        // The headers of a data page, a dictionary page and a data page of version 2 begin with their values.
        (5 | 7 | 8, STRUCT) => {
            reader.structure(1, &mut |reader, id, kind| {
                if (id, kind) != (1, I32) {
                    return Some(false);
                }
                values = reader.signed()?;
                Some(true)
            })?;
            Some(true)
        }
        _ => Some(false),
    })?;
    Some(PageShape {
        dictionary: kind? == 2,
        uncompressed: uncompressed?,
        compressed: compressed?,
        values,
        header: bytes.len() - reader.bytes.len(),
    })
}

/// How long the name of an element of the schema is, and how many children it has.
fn schema_element(reader: &mut Reader<'_>) -> Option<(usize, usize)> {
    let (mut name, mut children) = (0, 0);
    reader.structure(1, &mut |reader, id, kind| match (id, kind) {
        (4, BINARY) => {
            name = usize::try_from(reader.unsigned()?).ok()?;
            reader.advance(name)?;
            Some(true)
        }
        (5, I32) => {
            children = usize::try_from(reader.signed()?).ok()?;
            Some(true)
        }
        _ => Some(false),
    })?;
    Some((name, children))
}

fn row_group_columns(reader: &mut Reader<'_>) -> Option<usize> {
    let mut columns = 0;
    reader.structure(1, &mut |reader, id, kind| {
        if (id, kind) != (1, LIST) {
            return Some(false);
        }
        columns = reader.list_of_structures()?;
        for _ in 0..columns {
            reader.skip(STRUCT, 2)?;
        }
        Some(true)
    })?;
    Some(columns)
}

/// The depth of a tree given in depth-first order by its counts of children; none when the counts do not add up.
fn depth(children: &[usize]) -> Option<usize> {
    let mut open: Vec<usize> = Vec::new();
    let mut deepest = 0;
    for (index, count) in children.iter().enumerate() {
        if let Some(parent) = open.last_mut() {
            *parent -= 1;
        } else if index > 0 {
            return None;
        }
        deepest = deepest.max(open.len());
        open.push(*count);
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    (open.is_empty() && !children.is_empty()).then_some(deepest)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

/// Reads the value of a field, or leaves it and answers false.
type Visit<'v, 'a> = &'v mut dyn FnMut(&mut Reader<'a>, i16, u8) -> Option<bool>;

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn advance(&mut self, count: usize) -> Option<()> {
        self.bytes = self.bytes.get(count..)?;
        Some(())
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn structure(&mut self, depth: usize, visit: Visit<'_, 'a>) -> Option<()> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.signed()?).ok()?,
                delta => id.checked_add(i16::from(delta))?,
            };
            if !visit(self, id, kind)? {
                self.skip(kind, depth + 1)?;
            }
        }
    }

    /// The head of a list: the kind of its elements and how many. No element is shorter than a byte.
    fn list(&mut self) -> Option<(u8, usize)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.unsigned()?).ok()?,
            small => usize::from(small),
        };
        (count <= self.bytes.len()).then_some((head & 0x0f, count))
    }

    fn list_of_structures(&mut self) -> Option<usize> {
        let (kind, count) = self.list()?;
        (kind == STRUCT || count == 0).then_some(count)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1 | 2 => Some(()),
            3 => self.advance(1),
            4..=6 => self.unsigned().map(|_| ()),
            7 => self.advance(8),
            BINARY => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                self.advance(length)
            }
            LIST | 10 => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.element(kind, depth))
            }
            11 => {
                let count = self.unsigned()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| {
                    self.element(kinds >> 4, depth)?;
                    self.element(kinds & 0x0f, depth)
                })
            }
            STRUCT => self.structure(depth, &mut |_, _, _| Some(false)),
            13 => self.advance(16),
            _ => None,
        }
    }

    /// Skips one element of a collection, where a boolean takes a byte of its own.
    fn element(&mut self, kind: u8, depth: usize) -> Option<()> {
        match kind {
            1 | 2 => self.advance(1),
            other => self.skip(other, depth + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_are_counted_from_the_root() {
        assert_eq!(depth(&[0]), Some(0));
        assert_eq!(depth(&[2, 0, 0]), Some(1));
        assert_eq!(depth(&[1, 1, 1, 0]), Some(3));
        assert_eq!(depth(&[2, 1, 0, 0]), Some(2));
        assert_eq!(depth(&[2, 0]), None);
        assert_eq!(depth(&[1, 0, 0]), None);
        assert_eq!(depth(&[]), None);
    }

    #[test]
    fn what_is_announced_but_not_there_is_refused() {
        // A list of 2^32 structures, and nothing after it.
        assert_eq!(footer_shape(&[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f]), None);
        // A page header of three numbers: type 2, 20 bytes, 10 compressed; then the rest of the page.
        let header = [0x15, 0x04, 0x15, 0x28, 0x15, 0x14, 0x00, 0xaa];
        let shape = PageShape {
            dictionary: true,
            uncompressed: 20,
            compressed: 10,
            values: 0,
            header: 7,
        };
        assert_eq!(page_shape(&header), Some(shape));
        assert_eq!(page_shape(&header[..6]), None);
        // Structures in structures without an end.
        assert_eq!(footer_shape(&[0x1c; 1_000]), None);
    }
}
