//! Lists as Postgres arrays: `{1,2,NULL}` with quotes where they are needed, dimensions in binary. The
//! vectors of the catalog (`int2vector`, `oidvector`) are numbers with spaces between, counted from 0.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait};
use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::{Column, Put, no_form};
use crate::error::{Error, Result};
use crate::frame::Format;
use crate::style::OutputStyle;
use crate::types;

pub(super) fn list(array: &ArrayRef, pg_type: &Type, format: Format, style: &OutputStyle) -> Result<Put> {
    let item = types::element(pg_type).ok_or_else(|| no_form(pg_type, format))?;
    if let Type::INT2_VECTOR | Type::OID_VECTOR = *pg_type
        && format == Format::Text
    {
        let Level::Leaves { ranges, column } = Level::new(array, &item, format, style)? else {
            return Err(no_form(pg_type, format));
        };
        return Ok(Box::new(move |row, out| put_vector(ranges(row), &column, out)));
    }
    let first_index = i32::from(!matches!(*pg_type, Type::INT2_VECTOR | Type::OID_VECTOR));
    let level = Level::new(array, &item, format, style)?;
    Ok(match format {
        Format::Text => {
            let plain = matches!(
                item,
                Type::BOOL
                    | Type::INT2
                    | Type::INT4
                    | Type::INT8
                    | Type::OID
                    | Type::NUMERIC
                    | Type::FLOAT4
                    | Type::FLOAT8
                    | Type::DATE
                    | Type::TIME
                    | Type::UUID
            );
            Box::new(move |row, out| level.put_text(row, plain, out))
        }
        Format::Binary => Box::new(move |row, out| level.put_binary(row, item.oid(), first_index, out)),
    })
}

/// Where the items of a row lie in the child array.
type Ranges = Box<dyn Fn(usize) -> Range<usize> + Send + Sync>;

/// A list of values, or a list of lists.
enum Level {
    Leaves {
        ranges: Ranges,
        column: Column,
    },
    Lists {
        ranges: Ranges,
        vacant: Box<dyn Fn(usize) -> bool + Send + Sync>,
        inner: Box<Self>,
    },
}

impl Level {
    fn new(array: &ArrayRef, item: &Type, format: Format, style: &OutputStyle) -> Result<Self> {
        let (ranges, values) = open(array).ok_or_else(|| no_form(item, format))?;
        let nested = matches!(
            values.data_type(),
            DataType::List(_)
                | DataType::LargeList(_)
                | DataType::FixedSizeList(..)
                | DataType::ListView(_)
                | DataType::LargeListView(_)
        );
        // A vector is a value of its own, also as the item of an array.
        if nested && !matches!(*item, Type::INT2_VECTOR | Type::OID_VECTOR) {
            let nulls = values.logical_nulls();
            let vacant = Box::new(move |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)));
            let inner = Box::new(Self::new(&values, item, format, style)?);
            return Ok(Self::Lists {
                ranges,
                vacant,
                inner,
            });
        }
        Ok(Self::Leaves {
            ranges,
            column: Column::try_new(&values, item, format, style)?,
        })
    }

    fn ranges(&self) -> &Ranges {
        match self {
            Self::Leaves { ranges, .. } | Self::Lists { ranges, .. } => ranges,
        }
    }

    fn put_text(&self, row: usize, plain: bool, out: &mut BytesMut) -> Result<()> {
        out.put_u8(b'{');
        for (position, item) in self.ranges()(row).enumerate() {
            if position > 0 {
                out.put_u8(b',');
            }
            match self {
                Self::Leaves { column, .. } if column.vacant(item) => out.put_slice(b"NULL"),
                Self::Leaves { column, .. } => {
                    let start = out.len();
                    column.write(item, out)?;
                    if !plain {
                        quote(out, start);
                    }
                }
                Self::Lists { vacant, .. } if vacant(item) => out.put_slice(b"NULL"),
                Self::Lists { inner, .. } => inner.put_text(item, plain, out)?,
            }
        }
        out.put_u8(b'}');
        Ok(())
    }

    fn put_binary(&self, row: usize, item: u32, first_index: i32, out: &mut BytesMut) -> Result<()> {
        let dimensions = self.dimensions(row)?;
        // An array without items has no dimensions; a vector always has its one.
        let none = first_index == 1 && dimensions.contains(&0);
        let dimensions = if none { &[] } else { dimensions.as_slice() };
        out.put_i32(dimensions.len() as i32);
        let flags = out.len();
        out.put_i32(0);
        out.put_u32(item);
        for length in dimensions {
            out.put_i32(i32::try_from(*length).map_err(|_| Error::TooLarge { what: "an array" })?);
            out.put_i32(first_index);
        }
        if !dimensions.is_empty()
            && self.put_items(row, out)?
            && let Some(word) = out.get_mut(flags..flags + 4)
        {
            word.copy_from_slice(&1_i32.to_be_bytes());
        }
        Ok(())
    }

    /// The length of each dimension, outermost first.
    fn dimensions(&self, row: usize) -> Result<Vec<usize>> {
        let range = self.ranges()(row);
        let mut dimensions = vec![range.len()];
        if let Self::Lists { vacant, inner, .. } = self {
            let mut lengths: Option<Vec<usize>> = None;
            for item in range {
                if vacant(item) {
                    return Err(Error::RaggedArray);
                }
                let found = inner.dimensions(item)?;
                if lengths.get_or_insert_with(|| found.clone()) != &found {
                    return Err(Error::RaggedArray);
                }
            }
            dimensions.extend(lengths.unwrap_or_default());
        }
        Ok(dimensions)
    }

    /// Writes all items in order; says whether one of them is null.
    fn put_items(&self, row: usize, out: &mut BytesMut) -> Result<bool> {
        let mut nulls = false;
        for item in self.ranges()(row) {
            match self {
                Self::Leaves { column, .. } => {
                    nulls |= column.vacant(item);
                    column.write_field(item, out)?;
                }
                Self::Lists { inner, .. } => nulls |= inner.put_items(item, out)?,
            }
        }
        Ok(nulls)
    }
}

fn open(array: &ArrayRef) -> Option<(Ranges, ArrayRef)> {
    fn offsets<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> (Ranges, ArrayRef) {
        let offsets = list.offsets().clone();
        let ranges = Box::new(move |row: usize| offsets[row].as_usize()..offsets[row + 1].as_usize());
        (ranges, list.values().clone())
    }
    Some(match array.data_type() {
        DataType::List(_) => offsets(array.as_list::<i32>()),
        DataType::LargeList(_) => offsets(array.as_list::<i64>()),
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).ok()?;
            let list = array.as_fixed_size_list();
            (
                Box::new(move |row| row * length..(row + 1) * length),
                list.values().clone(),
            )
        }
        DataType::ListView(_) => {
            let list = array.as_list_view::<i32>().clone();
            let values = list.values().clone();
            (
                Box::new(move |row| view(list.value_offset(row).into(), list.value_size(row).into())),
                values,
            )
        }
        DataType::LargeListView(_) => {
            let list = array.as_list_view::<i64>().clone();
            let values = list.values().clone();
            (
                Box::new(move |row| view(list.value_offset(row), list.value_size(row))),
                values,
            )
        }
        _ => return None,
    })
}

fn view(offset: i64, size: i64) -> Range<usize> {
    let start = usize::try_from(offset).unwrap_or(0);
    start..start + usize::try_from(size).unwrap_or(0)
}

/// Where the items of each row lie, and the items, for other encoders.
pub(super) fn items(
    array: &ArrayRef,
) -> Option<(impl Fn(usize) -> Range<usize> + Send + Sync + use<>, ArrayRef)> {
    open(array)
}

/// Puts quotes around what was written since `start`, if Postgres would.
fn quote(out: &mut BytesMut, start: usize) {
    let item = out.get(start..).unwrap_or_default();
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t'..=b'\r');
    if !item.is_empty() && !item.iter().any(special) && !item.eq_ignore_ascii_case(b"null") {
        return;
    }
    let item = out.split_off(start);
    out.reserve(item.len() + 2);
    out.put_u8(b'"');
    for byte in item {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

fn put_vector(items: Range<usize>, column: &Column, out: &mut BytesMut) -> Result<()> {
    for (position, item) in items.enumerate() {
        if position > 0 {
            out.put_u8(b' ');
        }
        if column.vacant(item) {
            out.put_slice(b"NULL");
        } else {
            column.write(item, out)?;
        }
    }
    Ok(())
}
