//! Array parameters: `{a,"b c",NULL}` and the binary form.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use crate::error::{Error, Result};
use crate::frame::Body;
use crate::types;

/// Postgres' `MAXDIM`.
const MOST_DIMENSIONS: usize = 6;

/// The type of the innermost items of a list type; text where the expected type is no list.
pub(super) fn item_type(expected: &DataType) -> DataType {
    match expected {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            match item.data_type() {
                nested @ (DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) => {
                    item_type(nested)
                }
                leaf => leaf.clone(),
            }
        }
        _ => DataType::Null,
    }
}

/// A value of an array: an item, or a list of values.
enum Node {
    Item(ScalarValue),
    List(Vec<Self>),
}

/// Reads the text form. `read` turns the text of an item into a value of the type `inner`.
pub(super) fn from_text(
    text: &str,
    item: &Type,
    inner: &DataType,
    read: impl Fn(&str) -> Result<ScalarValue>,
) -> Result<ScalarValue> {
    let inner = concrete(inner, item);
    let malformed = |detail: &str| Error::malformed_array(text, detail);
    let opening = || malformed("Array value must start with \"{\" or dimension information.");
    let mut reader = Reader {
        text: text.trim(),
        read: &read,
        inner: &inner,
    };
    // `[0:2]={…}` says where the subscripts begin, which Arrow does not keep.
    if reader.text.starts_with('[') {
        reader.text = reader.text.split_once('=').ok_or_else(opening)?.1;
    }
    if !reader.text.starts_with('{') {
        return Err(opening());
    }
    let Some(node) = reader.list(1)? else {
        return Err(match reader.text.chars().next() {
            None => malformed("Unexpected end of input."),
            Some(unexpected) => malformed(&format!("Unexpected \"{unexpected}\" character.")),
        });
    };
    if !reader.text.trim().is_empty() {
        return Err(malformed("Junk after closing right brace."));
    }
    build(node, &inner)
}

struct Reader<'a, F> {
    text: &'a str,
    read: &'a F,
    inner: &'a DataType,
}

impl<F: Fn(&str) -> Result<ScalarValue>> Reader<'_, F> {
    /// One list in braces; `None` where the text is not of the form.
    fn list(&mut self, depth: usize) -> Result<Option<Node>> {
        let Some(rest) = self.text.trim_start().strip_prefix('{') else {
            return Ok(None);
        };
        if depth > MOST_DIMENSIONS {
            return Ok(None);
        }
        self.text = rest.trim_start();
        let mut nodes = Vec::new();
        if let Some(rest) = self.text.strip_prefix('}') {
            self.text = rest;
            return Ok(Some(Node::List(nodes)));
        }
        loop {
            self.text = self.text.trim_start();
            let node = if self.text.starts_with('{') {
                self.list(depth + 1)?
            } else {
                self.item()?
            };
            let Some(node) = node else { return Ok(None) };
            nodes.push(node);
            self.text = self.text.trim_start();
            if let Some(rest) = self.text.strip_prefix(',') {
                self.text = rest;
            } else if let Some(rest) = self.text.strip_prefix('}') {
                self.text = rest;
                return Ok(Some(Node::List(nodes)));
            } else {
                return Ok(None);
            }
        }
    }

    fn item(&mut self) -> Result<Option<Node>> {
        let quoted = self.text.starts_with('"');
        let mut characters = self.text.char_indices();
        if quoted {
            characters.next();
        }
        let mut value = String::new();
        let mut escaped = false;
        let end = loop {
            let Some((at, character)) = characters.next() else {
                self.text = "";
                return Ok(None);
            };
            match character {
                '\\' => match characters.next() {
                    Some((_, next)) => {
                        value.push(next);
                        escaped = true;
                    }
                    None => return Ok(None),
                },
                '"' if quoted => break at + 1,
                '"' | '{' if !quoted => return Ok(None),
                ',' | '}' if !quoted => break at,
                _ => value.push(character),
            }
        };
        self.text = self.text.get(end..).unwrap_or_default();
        if quoted {
            return Ok(Some(Node::Item((self.read)(&value)?)));
        }
        let value = value.trim();
        if value.is_empty() {
            return Ok(None);
        }
        if !escaped && value.eq_ignore_ascii_case("null") {
            return Ok(Some(Node::Item(null(self.inner)?)));
        }
        Ok(Some(Node::Item((self.read)(value)?)))
    }
}

/// Reads the binary form; `read` reads the bytes of one item.
pub(super) fn from_binary(
    body: &mut Body,
    item: &Type,
    inner: &DataType,
    read: impl Fn(&mut Body) -> Result<ScalarValue>,
) -> Result<ScalarValue> {
    let inner = concrete(inner, item);
    let dimensions = usize::try_from(body.word()?)
        .ok()
        .filter(|count| *count <= MOST_DIMENSIONS);
    let dimensions = dimensions.ok_or_else(|| Error::protocol("invalid number of dimensions"))?;
    body.word()?; // whether there are nulls: the items say so themselves
    let declared = body.word()?;
    if u32::try_from(declared) != Ok(item.oid()) {
        return Err(Error::protocol("wrong element type"));
    }
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        let length = usize::try_from(body.word()?).map_err(|_| Error::protocol("invalid array length"))?;
        body.word()?; // the first subscript
        lengths.push(length);
    }
    if lengths.is_empty() {
        return build(Node::List(Vec::new()), &inner);
    }
    // Each item takes at least its length word: a false count ends before it allocates.
    let items = lengths
        .iter()
        .try_fold(1_usize, |product, length| product.checked_mul(*length));
    if items.is_none_or(|items| items > body.remaining() / 4) {
        return Err(Error::protocol("insufficient data left in message"));
    }
    let node = items_of(body, &lengths, &inner, &read)?;
    build(node, &inner)
}

fn items_of(
    body: &mut Body,
    lengths: &[usize],
    inner: &DataType,
    read: &impl Fn(&mut Body) -> Result<ScalarValue>,
) -> Result<Node> {
    let Some((length, deeper)) = lengths.split_first() else {
        let Ok(length) = usize::try_from(body.word()?) else {
            return Ok(Node::Item(null(inner)?));
        };
        let mut item = Body(body.take(length)?);
        let value = read(&mut item)?;
        item.end()?;
        return Ok(Node::Item(value));
    };
    let nodes = (0..*length)
        .map(|_| items_of(body, deeper, inner, read))
        .collect::<Result<Vec<_>>>()?;
    Ok(Node::List(nodes))
}

/// Where the plan does not say which items it expects, they are of the type declared.
fn concrete(inner: &DataType, item: &Type) -> DataType {
    if inner.is_null() {
        types::data_type(item).unwrap_or(DataType::Utf8)
    } else {
        inner.clone()
    }
}

fn null(inner: &DataType) -> Result<ScalarValue> {
    ScalarValue::try_from(inner).map_err(|_| Error::protocol("an array of this type has no nulls"))
}

/// Makes the list value; dimensions must agree.
fn build(node: Node, inner: &DataType) -> Result<ScalarValue> {
    let Node::List(nodes) = node else {
        return Err(Error::RaggedArray);
    };
    let (values, _) = values(nodes, inner)?;
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let list = ListArray::new(field, OffsetBuffer::from_lengths([values.len()]), values, None);
    Ok(ScalarValue::List(Arc::new(list)))
}

/// The nodes as one array, and how many lists are nested in it.
fn values(nodes: Vec<Node>, inner: &DataType) -> Result<(ArrayRef, usize)> {
    if nodes.iter().any(|node| matches!(node, Node::List(_))) {
        let mut lengths = Vec::new();
        let mut flat = Vec::new();
        for node in nodes {
            let Node::List(items) = node else {
                return Err(Error::RaggedArray);
            };
            lengths.push(items.len());
            flat.extend(items);
        }
        if lengths.windows(2).any(|pair| pair.first() != pair.last()) {
            return Err(Error::RaggedArray);
        }
        let (items, depth) = values(flat, inner)?;
        let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
        let list = ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, None);
        return Ok((Arc::new(list), depth + 1));
    }
    let scalars: Vec<ScalarValue> = nodes
        .into_iter()
        .filter_map(|node| {
            if let Node::Item(value) = node {
                Some(value)
            } else {
                None
            }
        })
        .collect();
    if scalars.is_empty() {
        return Ok((arrow::array::new_empty_array(inner), 0));
    }
    let array = ScalarValue::iter_to_array(scalars).map_err(|_| Error::RaggedArray)?;
    Ok((array, 0))
}
