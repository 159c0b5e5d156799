//! What a function takes.
//!
//! Functions declare their parameters here instead of in a DataFusion signature, because that has no optional
//! parameters with names, and because a call that does not fit then fails as it does in Postgres: `function
//! nps(text) does not exist`.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, IntervalUnit, TimeUnit};
use datafusion_common::{Result, exec_err};
use datafusion_expr::{Signature, Volatility};

use crate::error::FunctionError;

/// The parameters of a function: some required, then some optional, then perhaps any number of one kind, then perhaps
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// The function's name.
    pub function: &'static str,
    /// How it is called, with Postgres' types; the same text as in its documentation.
    pub syntax: &'static str,
    /// What must be given.
    pub required: &'static [Parameter],
    /// What may be left out from the end on.
    pub optional: &'static [Parameter],
    /// What may follow, any number of times.
    pub rest: Option<Parameter>,
    /// What may stand behind the rest.
    pub last: Option<Parameter>,
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// Its name, for calls such as `f(name => value)`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
}

impl Parameter {
    /// A parameter.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

/// What a parameter takes, and the form in which the function gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Text of any encoding, dictionaries included; as it is.
    Text,
    /// Integers; as `Int64`.
    Integer,
    /// Any number; as `Float64`.
    Float,
    /// Any number; integers as `Int64`, floats as `Float64`, decimals as `Decimal128` of their scale.
    Number,
    /// Booleans.
    Boolean,
    /// Timestamps of any unit, dates and text; as microseconds with the zone they have.
    Timestamp,
    /// Intervals, durations and text; as `Interval(MonthDayNano)`.
    Interval,
    /// Records; as they are.
    Record,
}

impl Kind {
    /// The type in which the function gets an argument of this type, if it takes it.
    fn accept(self, given: &DataType) -> Option<DataType> {
        let microseconds = |zone| DataType::Timestamp(TimeUnit::Microsecond, zone);
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        let value = match given {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        let nothing = value.is_null();
        match self {
            Self::Text if nothing => Some(DataType::Utf8View),
            Self::Text => value.is_string().then(|| given.clone()),
            Self::Integer => (nothing || value.is_integer()).then_some(DataType::Int64),
            Self::Float => (nothing || value.is_numeric()).then_some(DataType::Float64),
            Self::Number if nothing || value.is_floating() => Some(DataType::Float64),
            Self::Number if value.is_integer() => Some(DataType::Int64),
            Self::Number => match value {
                DataType::Decimal32(precision, scale)
                | DataType::Decimal64(precision, scale)
                | DataType::Decimal128(precision, scale) => Some(DataType::Decimal128(*precision, *scale)),
                DataType::Decimal256(_, scale) => {
                    Some(DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale))
                }
                _ => None,
            },
            Self::Boolean => (nothing || *value == DataType::Boolean).then_some(DataType::Boolean),
            Self::Timestamp => match value {
                DataType::Timestamp(_, zone) => Some(microseconds(zone.clone())),
                DataType::Date32 | DataType::Date64 | DataType::Null => Some(microseconds(None)),
                text if text.is_string() => Some(microseconds(None)),
                _ => None,
            },
            Self::Interval => match value {
                DataType::Interval(_) | DataType::Duration(_) | DataType::Null => Some(interval),
                text if text.is_string() => Some(interval),
                _ => None,
            },
            Self::Record => matches!(value, DataType::Struct(_) | DataType::Null).then(|| given.clone()),
        }
    }
}

impl Parameters {
    /// The signature: coercion is left to [`Self::coerce`], and the names are known.
    pub fn signature(&self) -> Signature {
        let signature = Signature::user_defined(Volatility::Immutable);
        if self.rest.is_some() {
            return signature;
        }
        let names = self
            .required
            .iter()
            .chain(self.optional)
            .map(|parameter| parameter.name)
            .collect();
        // Names are refused only when two are the same, and then the function is called without them.
        signature.clone().with_parameter_names(names).unwrap_or(signature)
    }

    /// The types to which arguments are cast, for `coerce_types`. Arguments that do not fit stay as they are: DataFusion
    /// would bury an error from here in text, so [`Self::check`] raises it, from where the return type is asked for.
    pub fn coerce(&self, given: &[DataType]) -> Vec<DataType> {
        self.accept(given).unwrap_or_else(|| given.to_vec())
    }

    /// Whether arguments of these types fit.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self, given: &[DataType]) -> Result<()> {
        if self.accept(given).is_some() {
            return Ok(());
        }
        let arguments: Vec<String> = given.iter().map(type_name).collect();
        let (function, syntax) = (self.function, self.syntax.to_owned());
        Err(FunctionError::Undefined {
            function,
            arguments: arguments.join(", "),
            syntax,
        }
        .into())
    }

    /// The error of a call with fewer arguments than planning lets pass.
    ///
    /// # Errors
    /// Always.
    pub fn missing<T>(&self) -> Result<T> {
        exec_err!("function {} was called without its arguments", self.function)
    }

    fn accept(&self, given: &[DataType]) -> Option<Vec<DataType>> {
        let known = self.required.len() + self.optional.len();
        if given.len() < self.required.len() || (given.len() > known && self.rest.is_none()) {
            return None;
        }
        let accept = |last: Option<&Parameter>| -> Option<Vec<DataType>> {
            let others = given.len() - usize::from(last.is_some());
            let parameters = self
                .required
                .iter()
                .chain(self.optional)
                .chain(self.rest.iter().cycle());
            let parameters = parameters.take(others).chain(last);
            given
                .iter()
                .zip(parameters)
                .map(|(given, parameter)| parameter.kind.accept(given))
                .collect()
        };
        let with_last = self
            .last
            .as_ref()
            .filter(|_| given.len() > known)
            .and_then(|last| accept(Some(last)));
        with_last.or_else(|| accept(None))
    }
}

/// A type as Postgres names it.
pub fn type_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => "smallint",
        DataType::UInt16 | DataType::Int32 => "integer",
        DataType::UInt32 | DataType::Int64 => "bigint",
        DataType::UInt64 => "numeric",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval",
        DataType::Struct(_) => "record",
        DataType::Dictionary(_, value) => return type_name(value),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            return format!("{}[]", type_name(item.data_type()));
        }
        other if other.is_decimal() => "numeric",
        other if other.is_binary() => "bytea",
        _ => "unknown",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: Parameters = Parameters {
        function: "f",
        syntax: "f(t text [, n bigint])",
        required: &[Parameter::new("t", Kind::Text)],
        optional: &[Parameter::new("n", Kind::Integer)],
        rest: None,
        last: None,
    };

    #[track_caller]
    fn check(given: &[DataType], expected: Result<&[DataType], &str>) {
        let coerced = PARAMETERS.coerce(given);
        match expected {
            Ok(expected) => assert_eq!(coerced, expected),
            Err(message) => {
                let error = PARAMETERS.check(&coerced).unwrap_err();
                assert_eq!(error.strip_backtrace(), format!("External error: {message}"));
            }
        }
    }

    #[test]
    fn arguments_are_brought_to_the_forms_of_their_kinds() {
        check(&[DataType::Utf8], Ok(&[DataType::Utf8]));
        check(
            &[DataType::Null, DataType::Int16],
            Ok(&[DataType::Utf8View, DataType::Int64]),
        );
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        check(
            &[dictionary.clone(), DataType::UInt8],
            Ok(&[dictionary, DataType::Int64]),
        );
    }

    #[test]
    fn what_does_not_fit_is_a_function_that_does_not_exist() {
        check(&[], Err("function f() does not exist"));
        check(&[DataType::Int64], Err("function f(bigint) does not exist"));
        check(
            &[DataType::Utf8, DataType::Float64],
            Err("function f(text, double precision) does not exist"),
        );
        let three = [DataType::Utf8, DataType::Int32, DataType::Date32];
        check(&three, Err("function f(text, integer, date) does not exist"));
    }

    #[test]
    fn kinds_of_time_take_every_unit_dates_and_text() {
        let microseconds =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        for (given, expected) in [
            (
                DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
                microseconds(Some("UTC")),
            ),
            (DataType::Timestamp(TimeUnit::Second, None), microseconds(None)),
            (DataType::Date32, microseconds(None)),
            (DataType::Utf8View, microseconds(None)),
        ] {
            assert_eq!(Kind::Timestamp.accept(&given), Some(expected));
        }
        assert_eq!(Kind::Timestamp.accept(&DataType::Int64), None);
        let interval = DataType::Interval(IntervalUnit::MonthDayNano);
        assert_eq!(
            Kind::Interval.accept(&DataType::Duration(TimeUnit::Second)),
            Some(interval.clone())
        );
        assert_eq!(
            Kind::Interval.accept(&DataType::Interval(IntervalUnit::DayTime)),
            Some(interval)
        );
    }
}
