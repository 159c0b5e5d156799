//! The shape that most functions of this folder have: a name, the types that it takes and gives, and one answer for each
//! row of arguments.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use perennial_base::ErrorClass;

use super::raised;
use crate::schema::PG_TYPE;

/// What an argument is taken as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Taken {
    Text,
    Int,
    /// A bigint.
    Big,
    Float,
    /// Integers and decimals.
    Exact,
    Date,
    Time,
    /// Without zone.
    Wall,
    /// With zone.
    Instant,
    Interval,
    Bytes,
    Texts,
    Bool,
    /// Anything, as it is.
    Any,
}

impl Taken {
    pub(super) fn data_type(self, given: &DataType) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int32,
            Self::Big => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Exact => match given {
                DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                    DataType::Decimal128(*precision, *scale)
                }
                decimal if decimal.is_decimal() => decimal.clone(),
                DataType::Int64 | DataType::UInt64 | DataType::UInt32 => DataType::Decimal128(20, 0),
                _ => DataType::Decimal128(10, 0),
            },
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Wall => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant => match given {
                DataType::Timestamp(_, Some(zone)) => {
                    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone)))
                }
                _ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            },
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Bytes => DataType::Binary,
            Self::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            Self::Bool => DataType::Boolean,
            Self::Any => given.clone(),
        }
    }

    /// How far a given type is from this one; none where it is no such value.
    fn distance(self, given: &DataType) -> Option<u8> {
        let text = matches!(given, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        // NULL and text of unknown type may be anything.
        if given.is_null() {
            return Some(3);
        }
        if let DataType::Dictionary(_, values) = given {
            return self.distance(values);
        }
        match self {
            Self::Any => Some(4),
            Self::Text => text.then_some(0),
            _ if text => Some(6),
            Self::Int => match given {
                DataType::Int32 => Some(0),
                whole if whole.is_integer() => Some(2),
                _ => None,
            },
            Self::Big => match given {
                DataType::Int64 => Some(0),
                whole if whole.is_integer() => Some(1),
                _ => None,
            },
            Self::Exact => match given {
                decimal if decimal.is_decimal() => Some(0),
                whole if whole.is_integer() => Some(2),
                _ => None,
            },
            Self::Float => match given {
                float if float.is_floating() => Some(0),
                number if number.is_numeric() => Some(3),
                _ => None,
            },
            Self::Date => matches!(given, DataType::Date32 | DataType::Date64).then_some(0),
            Self::Time => matches!(given, DataType::Time32(_) | DataType::Time64(_)).then_some(0),
            Self::Wall => match given {
                DataType::Timestamp(_, None) => Some(0),
                DataType::Date32 | DataType::Date64 => Some(3),
                _ => None,
            },
            Self::Instant => match given {
                DataType::Timestamp(_, Some(_)) => Some(0),
                DataType::Timestamp(_, None) => Some(4),
                // Of the two kinds of timestamps, the one with a zone is preferred.
                DataType::Date32 | DataType::Date64 => Some(2),
                _ => None,
            },
            Self::Interval => matches!(given, DataType::Interval(_) | DataType::Duration(_)).then_some(0),
            Self::Bytes => matches!(
                given,
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView
            )
            .then_some(0),
            Self::Texts => matches!(given, DataType::List(_) | DataType::LargeList(_)).then_some(0),
            Self::Bool => (given == &DataType::Boolean).then_some(0),
        }
    }
}

/// The columns of arguments of one call, each as it was taken, and what a session adds.
pub(super) struct Call<'a> {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: usize,
    pub(super) options: &'a ConfigOptions,
    pub(super) returns: &'a Field,
    /// The arguments as they were given.
    pub(super) fields: &'a [FieldRef],
}

impl Call<'_> {
    /// A text that was taken as such; a text that is one for all rows is kept once.
    pub(super) fn text(&self, place: usize, row: usize) -> Option<&str> {
        let texts = self.columns.get(place)?.as_string::<i32>();
        let row = if texts.len() == 1 { 0 } else { row };
        texts.is_valid(row).then(|| texts.value(row))
    }

    /// One answer in text for each row.
    pub(super) fn texts(&self, of: impl FnMut(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
        let answers = (0..self.rows).map(of).collect::<Result<StringArray>>()?;
        Ok(Arc::new(answers))
    }

    /// Whether the answer is `jsonb`.
    pub(super) fn gives_jsonb(&self) -> bool {
        self.returns
            .metadata()
            .get(PG_TYPE)
            .is_some_and(|name| name == "jsonb")
    }

    /// The name of the session's zone.
    pub(super) fn zone(&self) -> &str {
        self.options.execution.time_zone.as_deref().unwrap_or("UTC")
    }
}

/// One way to call a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) takes: &'static [Taken],
    /// The last kind may come any number of times.
    pub(super) variadic: bool,
    pub(super) body: Body,
}

pub(super) type Body = fn(&Call<'_>) -> Result<ArrayRef>;

/// What a function gives, by the types that it takes.
pub(super) type Gives = fn(&[DataType]) -> DataType;

/// Which of the types that Arrow lacks a function gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Typed {
    /// None.
    Plain,
    /// The one of this name.
    As(&'static str),
    /// That of its first argument.
    AsFirst,
}

/// A function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) forms: &'static [Form],
    pub(super) gives: Gives,
    pub(super) volatility: Volatility,
    /// Whether numerics that it gives are shown as they were written.
    pub(super) digits: bool,
    pub(super) typed: Typed,
    /// Whether it takes any number of arguments, none too.
    pub(super) any_number: bool,
    /// Other names, among them those of the engine's function that it takes the place of.
    pub(super) aliases: &'static [&'static str],
}

impl Function {
    pub(super) const fn new(name: &'static str, forms: &'static [Form], gives: Gives) -> Self {
        Self {
            name,
            forms,
            gives,
            volatility: Volatility::Immutable,
            digits: false,
            typed: Typed::Plain,
            any_number: false,
            aliases: &[],
        }
    }

    pub(super) const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// Numerics that it gives have digits of their own, as they were written.
    pub(super) const fn of_own_digits(self) -> Self {
        Self { digits: true, ..self }
    }

    pub(super) const fn typed(self, typed: Typed) -> Self {
        Self { typed, ..self }
    }

    pub(super) const fn of_any_number(self) -> Self {
        Self {
            any_number: true,
            ..self
        }
    }

    pub(super) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::from(Rowwise {
            function: self,
            aliases: self.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            signature: if self.any_number {
                let forms = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
                Signature::one_of(forms, self.volatility)
            } else {
                Signature::user_defined(self.volatility)
            },
            engine: datafusion::functions::all_default_functions()
                .into_iter()
                .find(|known| known.name() == self.name),
        }))
    }

    /// The form that is nearest to the given types.
    fn form(&self, given: &[DataType]) -> Option<(&Form, Vec<DataType>)> {
        let mut best: Option<(u32, &Form)> = None;
        for form in self.forms {
            let fits = if form.variadic {
                given.len() + 1 >= form.takes.len()
            } else {
                given.len() == form.takes.len()
            };
            if !fits {
                continue;
            }
            let distance = given
                .iter()
                .enumerate()
                .map(|(place, given)| kind(form, place).distance(given).map(u32::from))
                .sum::<Option<u32>>();
            if let Some(distance) = distance
                && best.is_none_or(|(known, _)| distance < known)
            {
                best = Some((distance, form));
            }
        }
        let (_, form) = best?;
        let taken = given
            .iter()
            .enumerate()
            .map(|(place, given)| kind(form, place).data_type(given));
        Some((form, taken.collect()))
    }
}

fn kind(form: &Form, place: usize) -> Taken {
    form.takes
        .get(place)
        .or(form.takes.last())
        .copied()
        .unwrap_or(Taken::Any)
}

#[derive(Debug)]
struct Rowwise {
    function: Function,
    /// The engine's function that it takes the place of, which tells what it is for.
    engine: Option<Arc<ScalarUDF>>,
    aliases: Vec<String>,
    signature: Signature,
}

/// There is one function of a name.
impl PartialEq for Rowwise {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Rowwise {}

impl std::hash::Hash for Rowwise {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Rowwise {
    fn name(&self) -> &str {
        self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.engine.as_ref().and_then(|engine| engine.documentation())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match self.function.form(given) {
            Some((_, taken)) => Ok(taken),
            None => {
                let types: Vec<String> = given.iter().map(crate::error::type_name).collect();
                let message = format!(
                    "function {}({}) does not exist",
                    self.function.name,
                    types.join(", ")
                );
                Err(crate::Error::new(ErrorClass::UndefinedFunction, message)
                    .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
                    .into())
            }
        }
    }

    fn return_type(&self, taken: &[DataType]) -> Result<DataType> {
        Ok((self.function.gives)(taken))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let taken: Vec<DataType> = arguments
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let field = Field::new(self.name(), self.return_type(&taken)?, true);
        let (key, value) = if self.function.digits && field.data_type().is_decimal() {
            (crate::schema::DIGITS, Some(crate::schema::WRITTEN.to_owned()))
        } else {
            let first = || arguments.arg_fields.first()?.metadata().get(PG_TYPE).cloned();
            let name = match self.function.typed {
                Typed::Plain => None,
                Typed::As(name) => Some(name.to_owned()),
                Typed::AsFirst => first(),
            };
            (PG_TYPE, name)
        };
        let metadata = value.map(|value| (key.to_owned(), value));
        Ok(Arc::new(field.with_metadata(metadata.into_iter().collect())))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given: Vec<DataType> = arguments.args.iter().map(ColumnarValue::data_type).collect();
        let Some((form, taken)) = self.function.form(&given) else {
            return Err(raised(
                ErrorClass::UndefinedFunction,
                format!("function {} does not exist", self.function.name),
            ));
        };
        let scalar = self.function.volatility != Volatility::Volatile
            && arguments
                .args
                .iter()
                .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let columns = arguments
            .args
            .iter()
            .zip(&taken)
            .map(|(value, taken)| {
                // A pattern or a field is mostly one for all rows.
                let one = *taken == DataType::Utf8 && matches!(value, ColumnarValue::Scalar(_));
                let column = value.to_array(if one { 1 } else { rows })?;
                Ok(if column.data_type() == taken {
                    column
                } else {
                    cast(&column, taken)?
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let answers = (form.body)(&Call {
            columns,
            rows,
            options: &arguments.config_options,
            returns: &arguments.return_field,
            fields: &arguments.arg_fields,
        })?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?));
        }
        Ok(ColumnarValue::Array(answers))
    }
}

/// A form of fixed arguments.
pub(super) const fn form(takes: &'static [Taken], body: Body) -> Form {
    Form {
        takes,
        variadic: false,
        body,
    }
}
