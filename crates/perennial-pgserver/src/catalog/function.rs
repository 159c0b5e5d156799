//! The shape that every function on the catalog has: a line in a table, made into a function of the engine.

use std::cell::OnceCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use perennial_base::ErrorClass;
use perennial_engine::description::SessionFacts;
use perennial_engine::error::{Error, Result};

use super::builtin::{ANY, type_named};
use super::cell::{Cell, column};
use super::model::Model;
use super::names::Names;
use super::shape::field;
use super::types::{ColumnType, format_builtin};
use super::{Models, Process};

/// What an argument can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text of any encoding.
    Text,
    /// A number, cut to an integer.
    Int,
    /// An identifier.
    Oid,
    /// A boolean.
    Bool,
    /// An object by identifier or by name.
    Object,
    /// Anything, as text.
    Shown,
    /// Anything, as it is.
    Any,
}

/// A function on the catalog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemFunction {
    /// Its name.
    pub(crate) name: &'static str,
    /// The lists of arguments that it takes.
    pub(crate) overloads: &'static [&'static [Kind]],
    /// The name of the type it returns in `pg_type`.
    pub(crate) result: &'static str,
    body: Body,
    volatility: Volatility,
    strict: bool,
}

/// One answer for one row of arguments.
pub(crate) type Body = fn(&Call<'_>, &Arguments<'_>) -> Result<Cell<'static>>;

impl SystemFunction {
    /// A function that reads the catalog or the session, and gives null for a null.
    pub(crate) const fn reads(
        name: &'static str,
        overloads: &'static [&'static [Kind]],
        result: &'static str,
        body: Body,
    ) -> Self {
        Self {
            name,
            overloads,
            result,
            body,
            volatility: Volatility::Stable,
            strict: true,
        }
    }

    /// A function whose every call counts.
    pub(crate) const fn acts(self) -> Self {
        Self {
            volatility: Volatility::Volatile,
            ..self
        }
    }

    /// A function that wants to see nulls.
    pub(crate) const fn sees_nulls(self) -> Self {
        Self {
            strict: false,
            ..self
        }
    }

    /// The field of the answer.
    fn answer(&self) -> Field {
        field(self.name, self.result)
    }

    /// The types that the arguments are cast to, if some list of arguments takes them.
    fn coerced(&self, arguments: &[DataType]) -> Option<Vec<DataType>> {
        self.overloads.iter().find_map(|overload| {
            if overload.len() != arguments.len() {
                return None;
            }
            overload
                .iter()
                .zip(arguments)
                .map(|(kind, data_type)| kind.coerced(data_type))
                .collect()
        })
    }
}

impl Kind {
    /// The type that an argument of a type is cast to; none if it does not fit.
    fn coerced(self, data_type: &DataType) -> Option<DataType> {
        let null = data_type.is_null();
        match self {
            Self::Text => (null || is_text(data_type)).then_some(DataType::Utf8),
            Self::Int => (null || data_type.is_numeric() || is_text(data_type)).then_some(DataType::Int64),
            Self::Oid => (null || data_type.is_integer() || is_text(data_type)).then_some(DataType::Int64),
            Self::Bool => {
                (null || data_type == &DataType::Boolean || is_text(data_type)).then_some(DataType::Boolean)
            }
            Self::Object if is_text(data_type) => Some(DataType::Utf8),
            Self::Object => (null || data_type.is_integer()).then_some(DataType::Int64),
            Self::Shown => Some(DataType::Utf8),
            Self::Any => Some(data_type.clone()),
        }
    }

    /// The identifier of the type as `pg_proc` has it.
    pub(crate) fn type_oid(self) -> i64 {
        let name = match self {
            Self::Text => "text",
            Self::Int => "int8",
            Self::Oid => "oid",
            Self::Bool => "bool",
            Self::Object => "regclass",
            Self::Shown => "anyelement",
            Self::Any => "any",
        };
        type_named(name).map_or(ANY, |built_in| built_in.oid)
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        other => other.is_string(),
    }
}

/// What a call can ask besides its arguments.
pub(crate) struct Call<'a> {
    /// The session.
    pub(crate) facts: &'a dyn SessionFacts,
    /// The server.
    pub(crate) process: &'a Process,
    /// The types of the arguments as they were before the cast.
    pub(crate) fields: &'a [FieldRef],
    models: &'a Models,
    view: OnceCell<(Arc<Model>, Vec<String>)>,
}

impl Call<'_> {
    /// The catalog through the session's search path.
    pub(crate) fn names(&self) -> Names<'_> {
        let (model, path) = self.view.get_or_init(|| {
            (
                self.models.of(&self.facts.catalog()),
                self.facts.current_schemas(),
            )
        });
        Names { model, path }
    }

    /// The catalog.
    pub(crate) fn model(&self) -> &Model {
        self.names().model
    }
}

/// One argument of one row.
#[derive(Debug, Clone)]
pub(crate) enum Argument<'a> {
    /// No value.
    Null,
    /// Text.
    Text(&'a str),
    /// An integer or identifier.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A list.
    List(ArrayRef),
    /// Another value.
    Other,
}

/// The arguments of one row.
#[derive(Debug)]
pub(crate) struct Arguments<'a>(Vec<Argument<'a>>);

impl<'a> Arguments<'a> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The argument at a place.
    pub(crate) fn at(&self, index: usize) -> &Argument<'a> {
        self.0.get(index).unwrap_or(&Argument::Null)
    }

    /// Text; empty where there is none.
    pub(crate) fn text(&self, index: usize) -> &str {
        if let Argument::Text(text) = self.at(index) {
            text
        } else {
            ""
        }
    }

    /// An integer, if there is one.
    pub(crate) fn int(&self, index: usize) -> Option<i64> {
        if let Argument::Int(value) = self.at(index) {
            Some(*value)
        } else {
            None
        }
    }

    /// An identifier; 0, which nothing has, where there is none.
    pub(crate) fn oid(&self, index: usize) -> i64 {
        self.int(index).unwrap_or_default()
    }

    /// A boolean; false where there is none.
    pub(crate) fn bool(&self, index: usize) -> bool {
        matches!(self.at(index), Argument::Bool(true))
    }

    fn any_null(&self) -> bool {
        self.0.iter().any(|argument| matches!(argument, Argument::Null))
    }
}

/// The values of one argument.
enum Values {
    Texts(StringArray),
    Ints(Int64Array),
    Bools(BooleanArray),
    Others(ArrayRef),
}

impl Values {
    fn new(array: &ArrayRef) -> DataFusionResult<Self> {
        let data_type = array.data_type();
        Ok(if is_text(data_type) {
            Self::Texts(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
        } else if data_type.is_integer() || data_type.is_null() {
            Self::Ints(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        } else if data_type == &DataType::Boolean {
            Self::Bools(array.as_boolean().clone())
        } else {
            Self::Others(Arc::clone(array))
        })
    }

    fn at(&self, row: usize) -> Argument<'_> {
        match self {
            Self::Texts(array) if array.is_valid(row) => Argument::Text(array.value(row)),
            Self::Ints(array) if array.is_valid(row) => Argument::Int(array.value(row)),
            Self::Bools(array) if array.is_valid(row) => Argument::Bool(array.value(row)),
            Self::Others(array) if array.is_valid(row) => match array.as_list_opt::<i32>() {
                Some(list) => Argument::List(list.value(row)),
                None => Argument::Other,
            },
            _ => Argument::Null,
        }
    }
}

/// A function of the engine, for one session.
pub(crate) struct SessionFunction {
    function: SystemFunction,
    facts: Arc<dyn SessionFacts>,
    models: Arc<Models>,
    process: Arc<Process>,
    signature: Signature,
}

impl SessionFunction {
    /// Binds a function to a session.
    pub(crate) fn bind(
        function: SystemFunction,
        facts: &Arc<dyn SessionFacts>,
        models: &Arc<Models>,
        process: &Arc<Process>,
    ) -> ScalarUDF {
        ScalarUDF::new_from_impl(Self {
            function,
            facts: Arc::clone(facts),
            models: Arc::clone(models),
            process: Arc::clone(process),
            signature: Signature::user_defined(function.volatility),
        })
    }

    fn row(&self, call: &Call<'_>, arguments: &Arguments<'_>) -> Result<Cell<'static>> {
        if self.function.strict && arguments.any_null() {
            return Ok(Cell::Null);
        }
        (self.function.body)(call, arguments)
    }
}

impl ScalarUDFImpl for SessionFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        self.function.coerced(arguments).ok_or_else(|| {
            let name = |data_type| {
                let column_type = ColumnType::of(data_type);
                format_builtin(column_type.oid, None).unwrap_or_else(|| "unknown".to_owned())
            };
            let types: Vec<String> = arguments.iter().map(name).collect();
            let message = format!("function {}({}) does not exist", self.function.name, types.join(", "));
            external(Error::new(ErrorClass::UndefinedFunction, message).with_hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            ))
        })
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(self.function.answer().data_type().clone())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> DataFusionResult<FieldRef> {
        Ok(Arc::new(self.function.answer()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let mut values = Vec::with_capacity(args.args.len());
        for argument in &args.args {
            values.push(match argument {
                ColumnarValue::Array(array) => (Values::new(array)?, false),
                ColumnarValue::Scalar(scalar) => (Values::new(&scalar.to_array()?)?, true),
            });
        }
        let constant = values.iter().all(|(_, scalar)| *scalar);
        let call = Call {
            facts: self.facts.as_ref(),
            process: &self.process,
            fields: &args.arg_fields,
            models: &self.models,
            view: OnceCell::new(),
        };
        // A call without columns is one answer, unless every call counts.
        let once = constant && (self.function.volatility != Volatility::Volatile || args.number_rows == 1);
        let rows = if once { 1 } else { args.number_rows };
        let mut cells = Vec::with_capacity(rows);
        for row in 0..rows {
            let arguments = values
                .iter()
                .map(|(values, scalar)| values.at(if *scalar { 0 } else { row }));
            cells.push(
                self.row(&call, &Arguments(arguments.collect()))
                    .map_err(external)?,
            );
        }
        let answers = column(&self.function.answer(), &mut cells.into_iter());
        Ok(if once {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?)
        } else {
            ColumnarValue::Array(answers)
        })
    }
}

/// An error on its way through the engine.
fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl fmt::Debug for SessionFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFunction")
            .field("name", &self.function.name)
            .finish_non_exhaustive()
    }
}

/// Two functions are the same if they have one name in one session.
impl PartialEq for SessionFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.facts, &other.facts)
    }
}

impl Eq for SessionFunction {}

impl Hash for SessionFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}
