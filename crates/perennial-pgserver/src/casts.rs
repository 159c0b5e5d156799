//! Casts from and to text as functions of the engine: the readers of parameters and the writers of results, so that
//! `'…'::type` and `value::text` read and write what the wire does.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef};
use bytes::BytesMut;
use datafusion::common::{Result as PlanResult, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use perennial_engine::schema::named_type;

use crate::encode::Column;
use crate::error::{Error, Result};
use crate::frame::Format;
use crate::style::OutputStyle;
use crate::{parameters, types};

/// Text to values of a type.
///
/// # Errors
/// Those of [`parameters`]: 22P02, 22003, 22007 or 22008.
pub(crate) fn reader(target: &FieldRef, style: OutputStyle) -> ScalarUDF {
    ScalarUDF::from(Read {
        name: format!("perennial_read_{}", types::pg_type(target).name()),
        target: Arc::clone(target),
        style: Style(style),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

/// Values of any type to their text.
pub(crate) fn writer(style: OutputStyle) -> ScalarUDF {
    ScalarUDF::from(Write {
        name: "perennial_write",
        style: Style(style),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

/// Values of any type to JSON.
pub(crate) fn json_writer(style: OutputStyle) -> ScalarUDF {
    ScalarUDF::from(Write {
        name: WRITE_JSON,
        style: Style(style),
        signature: Signature::any(1, Volatility::Immutable),
    })
}

const WRITE_JSON: &str = "perennial_write_json";

/// One text as a value of a type.
pub(crate) fn read(text: &str, target: &DataType, style: &OutputStyle) -> Result<ScalarValue> {
    read_as(text, &Field::new("", target.clone(), true), style)
}

fn read_as(text: &str, target: &Field, style: &OutputStyle) -> Result<ScalarValue> {
    parameters::read_text(text, &types::pg_type(target), target.data_type(), style)
}

/// What decides how text is read and written; two functions of one style are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style(OutputStyle);

impl std::hash::Hash for Style {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.extra_float_digits.hash(state);
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Read {
    name: String,
    target: FieldRef,
    style: Style,
    signature: Signature,
}

impl ScalarUDFImpl for Read {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.target.data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(Arc::clone(&self.target))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        match arguments.args.as_slice() {
            [ColumnarValue::Scalar(text)] => Ok(ColumnarValue::Scalar(match text.try_as_str() {
                Some(Some(text)) => read_as(text, &self.target, &self.style.0).map_err(external)?,
                _ => ScalarValue::try_from(self.target.data_type())?,
            })),
            [ColumnarValue::Array(texts)] => Ok(ColumnarValue::Array(self.column(texts)?)),
            _ => plan_err!("{} takes one text", self.name),
        }
    }
}

impl Read {
    /// A whole column. Numbers are read at once; only where that fails does each text tell what is wrong with it.
    fn column(&self, texts: &ArrayRef) -> PlanResult<ArrayRef> {
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let target = self.target.data_type();
        if target.is_integer()
            && named_type(&self.target).is_none()
            && let Ok(read) = cast_with_options(texts, target, &strict)
        {
            return Ok(read);
        }
        let texts = cast(texts, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        if texts.is_empty() {
            return Ok(arrow::array::new_empty_array(target));
        }
        let values = texts
            .iter()
            .map(|text| match text {
                Some(text) => read_as(text, &self.target, &self.style.0).map_err(external),
                None => ScalarValue::try_from(target),
            })
            .collect::<PlanResult<Vec<_>>>()?;
        ScalarValue::iter_to_array(values)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Write {
    name: &'static str,
    style: Style,
    signature: Signature,
}

impl ScalarUDFImpl for Write {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let field = Field::new(self.name, DataType::Utf8, true);
        let json = (self.name == WRITE_JSON).then(|| (types::PG_TYPE.to_owned(), "json".to_owned()));
        Ok(Arc::new(field.with_metadata(json.into_iter().collect())))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let ([value], [field]) = (arguments.args.as_slice(), arguments.arg_fields.as_slice()) else {
            return plan_err!("a cast to text takes one value");
        };
        let scalar = matches!(value, ColumnarValue::Scalar(_));
        let values = value.to_array(if scalar { 1 } else { arguments.number_rows })?;
        let written: ArrayRef = Arc::new(self.column(field, &values).map_err(external)?);
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&written, 0)?));
        }
        Ok(ColumnarValue::Array(written))
    }
}

impl Write {
    fn column(&self, field: &Field, values: &ArrayRef) -> Result<arrow::array::StringArray> {
        let column = if self.name == WRITE_JSON {
            Column::as_json(field, values, &self.style.0)?
        } else {
            Column::of(field, values, Format::Text, &self.style.0)?
        };
        let mut out = StringBuilder::with_capacity(values.len(), values.len() * 16);
        let mut scratch = BytesMut::new();
        for row in 0..values.len() {
            if column.vacant(row) {
                out.append_null();
                continue;
            }
            scratch.clear();
            column.write(row, &mut scratch)?;
            out.append_value(std::str::from_utf8(&scratch).map_err(|_| Error::NotUtf8)?);
        }
        Ok(out.finish())
    }
}

fn external(error: Error) -> datafusion::common::DataFusionError {
    perennial_engine::Error::from_user(&error).into()
}
