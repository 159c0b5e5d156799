//! `COPY … TO`: rows as text, CSV or binary, one CopyData message each, or without messages in a file.

use bytes::{BufMut, BytesMut};
use perennial_engine::{CopyFormat, CopyOut};

use crate::backend;
use crate::encode::Column;
use crate::error::{Error, Result};
use crate::frame::Format;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// How rows are written, and what has to stand before the first.
pub(crate) struct Copy {
    form: CopyFormat,
    delimiter: char,
    null: String,
    quote: char,
    escape: char,
    force_quote: Vec<usize>,
    /// Whether each row is a message of its own, as a client gets it; a file has the rows alone.
    framed: bool,
    /// Bytes that open the first message.
    opening: BytesMut,
    scratch: BytesMut,
}

impl Copy {
    /// The writer for a COPY of columns of these names.
    pub(crate) fn new(copy: &CopyOut) -> Self {
        let options = &copy.options;
        let mut writer = Self {
            form: options.format,
            delimiter: options.delimiter,
            null: options.null.clone(),
            quote: options.quote,
            escape: options.escape,
            force_quote: options.force_quote.clone(),
            framed: copy.file.is_none(),
            opening: BytesMut::new(),
            scratch: BytesMut::new(),
        };
        let fields = copy.rows.schema().fields();
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        writer.open(options.header.then_some(names.as_slice()));
        writer
    }

    /// Prepares what stands before the first row: the signature of the binary form, or a line of names.
    fn open(&mut self, header: Option<&[&str]>) {
        if self.form == CopyFormat::Binary {
            self.opening.put_slice(SIGNATURE);
            self.opening.put_i64(0); // no flags, no extension
        } else if let Some(names) = header {
            let mut line = BytesMut::new();
            for (position, name) in names.iter().enumerate() {
                if position > 0 {
                    put_character(self.delimiter, &mut line);
                }
                self.put_text(name.as_bytes(), false, names.len() == 1, &mut line);
            }
            line.put_u8(b'\n');
            self.opening = line;
        }
    }

    /// The format of the values inside of the rows.
    pub(crate) fn format(&self) -> Format {
        if self.form == CopyFormat::Binary {
            Format::Binary
        } else {
            Format::Text
        }
    }

    /// Writes a row.
    pub(crate) fn write_row(&mut self, columns: &[Column], row: usize, out: &mut BytesMut) -> Result<()> {
        // The header of the binary form shares a message with the first row: some readers count on it. That
        // of the other forms is a line of its own.
        if self.form != CopyFormat::Binary {
            self.put_opening(out);
        }
        let start = out.len() + usize::from(self.framed);
        if self.framed {
            out.put_u8(b'd');
            out.put_i32(0);
        }
        out.put_slice(&self.opening.split());
        if self.form == CopyFormat::Binary {
            let count = i16::try_from(columns.len()).map_err(|_| Error::TooLarge {
                what: "the list of columns",
            })?;
            out.put_i16(count);
            for column in columns {
                column.write_field(row, out)?;
            }
        } else {
            self.put_line(columns, row, out)?;
        }
        if out.len() - start > crate::encode::ROW_LIMIT {
            return Err(Error::TooLarge { what: "a row" });
        }
        if self.framed {
            backend::close(out, start);
        }
        Ok(())
    }

    /// Writes what follows the last row.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        if self.form == CopyFormat::Binary {
            // Without a row the header shares a message with the end: readers take the first message for both.
            let mut last = self.opening.split();
            last.put_i16(-1);
            self.put_data(&last, out);
        } else {
            self.put_opening(out);
        }
        if self.framed {
            backend::bare(out, b'c');
        }
    }

    fn put_opening(&mut self, out: &mut BytesMut) {
        if !self.opening.is_empty() {
            let opening = self.opening.split();
            self.put_data(&opening, out);
        }
    }

    fn put_data(&self, data: &[u8], out: &mut BytesMut) {
        match self.framed {
            true => backend::message(out, b'd', |out| out.put_slice(data)),
            false => out.put_slice(data),
        }
    }

    fn put_line(&mut self, columns: &[Column], row: usize, out: &mut BytesMut) -> Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (position, column) in columns.iter().enumerate() {
            if position > 0 {
                put_character(self.delimiter, out);
            }
            if column.vacant(row) {
                out.put_slice(self.null.as_bytes());
                continue;
            }
            scratch.clear();
            column.write(row, &mut scratch)?;
            self.put_text(
                &scratch,
                self.force_quote.contains(&position),
                columns.len() == 1,
                out,
            );
        }
        self.scratch = scratch;
        out.put_u8(b'\n');
        Ok(())
    }

    fn put_text(&self, value: &[u8], force: bool, alone: bool, out: &mut BytesMut) {
        match self.form {
            CopyFormat::Csv => self.put_csv(value, force, alone, out),
            _ => self.put_escaped(value, out),
        }
    }

    /// Control characters, the backslash and the delimiter behind a backslash.
    fn put_escaped(&self, value: &[u8], out: &mut BytesMut) {
        let delimiter = u8::try_from(self.delimiter).ok();
        for byte in value {
            let escaped = match byte {
                b'\\' => b'\\',
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                other if Some(*other) == delimiter => *other,
                other => {
                    out.put_u8(*other);
                    continue;
                }
            };
            out.put_slice(&[b'\\', escaped]);
        }
    }

    /// Quotes where the value could be read otherwise: as null, as the end mark, or as more than one.
    fn put_csv(&self, value: &[u8], force: bool, alone: bool, out: &mut BytesMut) {
        let text = String::from_utf8_lossy(value);
        let special = |character: char| {
            character == self.delimiter || character == self.quote || matches!(character, '\n' | '\r')
        };
        let quoted = force || *text == *self.null || (alone && text == "\\.") || text.contains(special);
        if !quoted {
            return out.put_slice(value);
        }
        put_character(self.quote, out);
        for character in text.chars() {
            if character == self.quote || character == self.escape {
                put_character(self.escape, out);
            }
            put_character(character, out);
        }
        put_character(self.quote, out);
    }
}

fn put_character(character: char, out: &mut BytesMut) {
    out.put_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use pgwire::api::Type;

    use super::*;
    use crate::facts::default_style;

    fn writer(form: CopyFormat, delimiter: char, null: &str) -> Copy {
        Copy {
            framed: true,
            form,
            delimiter,
            null: null.to_owned(),
            quote: '"',
            escape: '"',
            force_quote: Vec::new(),
            opening: BytesMut::new(),
            scratch: BytesMut::new(),
        }
    }

    /// The bodies of the messages for all rows, the end mark included.
    fn written(mut copy: Copy, texts: &[Option<&str>], numbers: Option<&[Option<i32>]>) -> Vec<Vec<u8>> {
        let mut columns = vec![(
            Arc::new(StringArray::from(texts.to_vec())) as ArrayRef,
            Type::TEXT,
        )];
        if let Some(numbers) = numbers {
            columns.push((Arc::new(Int32Array::from(numbers.to_vec())), Type::INT4));
        }
        let format = copy.format();
        let columns: Vec<Column> = columns
            .iter()
            .map(|(array, pg_type)| Column::try_new(array, pg_type, format, &default_style()).unwrap())
            .collect();
        let mut out = BytesMut::new();
        for row in 0..texts.len() {
            copy.write_row(&columns, row, &mut out).unwrap();
        }
        copy.finish(&mut out);
        let mut bodies = Vec::new();
        while !out.is_empty() {
            let length = u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize;
            let message = out.split_to(length + 1);
            if message[0] == b'd' {
                bodies.push(message[5..].to_vec());
            }
        }
        bodies
    }

    const TEXTS: [Option<&str>; 8] = [
        Some("plain"),
        None,
        Some(""),
        Some("tab\tnl\nbs\\cr\r"),
        Some("a,b\"q\""),
        Some("\\."),
        Some("ä"),
        Some("\\N"),
    ];
    const NUMBERS: [Option<i32>; 8] = [
        Some(1),
        None,
        Some(3),
        Some(4),
        Some(5),
        Some(6),
        Some(7),
        Some(8),
    ];

    #[track_caller]
    fn check(copy: Copy, expected: &[&str]) {
        let lines = written(copy, &TEXTS, Some(&NUMBERS));
        let lines: Vec<_> = lines
            .iter()
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        assert_eq!(lines, expected);
    }

    // The lines are those of COPY (VALUES …) TO STDOUT, PostgreSQL 15.

    #[test]
    fn text_lines_are_those_of_postgres() {
        let tabs = writer(CopyFormat::Text, '\t', "\\N");
        check(
            tabs,
            &[
                "plain\t1\n",
                "\\N\t\\N\n",
                "\t3\n",
                "tab\\tnl\\nbs\\\\cr\\r\t4\n",
                "a,b\"q\"\t5\n",
                "\\\\.\t6\n",
                "ä\t7\n",
                "\\\\N\t8\n",
            ],
        );
        let mut bars = writer(CopyFormat::Text, '|', "nil");
        bars.open(Some(&["the text", "n"]));
        check(
            bars,
            &[
                "the text|n\n",
                "plain|1\n",
                "nil|nil\n",
                "|3\n",
                "tab\\tnl\\nbs\\\\cr\\r|4\n",
                "a,b\"q\"|5\n",
                "\\\\.|6\n",
                "ä|7\n",
                "\\\\N|8\n",
            ],
        );
    }

    #[test]
    fn csv_lines_are_those_of_postgres() {
        let mut commas = writer(CopyFormat::Csv, ',', "");
        commas.open(Some(&["the text", "n"]));
        check(
            commas,
            &[
                "the text,n\n",
                "plain,1\n",
                ",\n",
                "\"\",3\n",
                "\"tab\tnl\nbs\\cr\r\",4\n",
                "\"a,b\"\"q\"\"\",5\n",
                "\\.,6\n",
                "ä,7\n",
                "\\N,8\n",
            ],
        );
        let mut forced = writer(CopyFormat::Csv, ';', "NULL");
        (forced.quote, forced.escape, forced.force_quote) = ('\'', '\\', vec![0]);
        check(
            forced,
            &[
                "'plain';1\n",
                "NULL;NULL\n",
                "'';3\n",
                "'tab\tnl\nbs\\\\cr\r';4\n",
                "'a,b\"q\"';5\n",
                "'\\\\.';6\n",
                "'ä';7\n",
                "'\\\\N';8\n",
            ],
        );
        let alone = written(
            writer(CopyFormat::Csv, ',', ""),
            &[Some("\\."), Some(""), None],
            None,
        );
        assert_eq!(alone, [b"\"\\.\"\n".as_slice(), b"\"\"\n", b"\n"]);
    }

    #[test]
    fn the_binary_form_has_its_header_with_the_first_row_and_its_end_alone() {
        let mut copy = writer(CopyFormat::Binary, '\t', "");
        copy.open(None);
        let messages = written(copy, &[Some("x"), None], None);
        assert_eq!(
            messages[0],
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x01x"
        );
        assert_eq!(
            messages[1..],
            [b"\0\x01\xff\xff\xff\xff".to_vec(), b"\xff\xff".to_vec()]
        );
        let mut empty = writer(CopyFormat::Binary, '\t', "");
        empty.open(None);
        assert_eq!(
            written(empty, &[], None),
            [b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\xff\xff"]
        );
    }
}
