//! The expressions of a source, planned over the columns of its files: all that is wrong with them is found at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use chrono_tz::Tz;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use perennial_base::config::{Expression, SourceConfig, Spot};
use perennial_base::{ErrorClass, Kind, UserError};
use perennial_engine::expression::{expression, lenient, physical};
use perennial_engine::type_name;

use super::{MappedColumn, Mapping, Optional, plain};
use crate::columns::columns_told;
use crate::error::{Error, Result};
use crate::lost::Casts;
use crate::values::{may_be_moments, trait_type};

impl Mapping {
    /// Plans the expressions of a source; `type_index` gives the place of an identifier type in the rules.
    ///
    /// # Errors
    /// The first expression that cannot be planned.
    pub(crate) fn try_new(
        state: &SessionState,
        source: &SourceConfig,
        input: &SchemaRef,
        zone: Tz,
        until: Option<i64>,
        type_index: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self> {
        let planning = Planning::try_new(state, source, input)?;
        let (mapping, problems) = planning.mapping(zone, until, type_index);
        match problems.into_iter().next() {
            Some(first) => Err(first),
            None => Ok(mapping),
        }
    }

    /// All that keeps the expressions of a source from being planned, in the order of the file.
    pub(crate) fn problems(
        state: &SessionState,
        source: &SourceConfig,
        input: &SchemaRef,
        zone: Tz,
        type_index: impl Fn(&str) -> Option<usize>,
    ) -> Vec<Error> {
        let mut problems = match Planning::try_new(state, source, input) {
            Ok(planning) => planning.mapping(zone, None, type_index).1,
            Err(error) => vec![error],
        };
        problems.sort_by_key(|error| match error {
            Error::Mapping { at, .. } => (at.line, at.column),
            _ => (0, 0),
        });
        problems
    }
}

/// The expressions of one source.
struct Planning<'a> {
    state: &'a SessionState,
    source: &'a SourceConfig,
    input: &'a SchemaRef,
    schema: DFSchema,
    /// What keeps expressions from being planned.
    problems: Vec<Error>,
}

impl<'a> Planning<'a> {
    fn try_new(state: &'a SessionState, source: &'a SourceConfig, input: &'a SchemaRef) -> Result<Self> {
        Ok(Self {
            state,
            source,
            input,
            schema: DFSchema::try_from(Arc::clone(input))?,
            problems: Vec::new(),
        })
    }

    /// What can be planned, and what keeps the rest from it.
    fn mapping(
        mut self,
        zone: Tz,
        until: Option<i64>,
        type_index: impl Fn(&str) -> Option<usize>,
    ) -> (Mapping, Vec<Error>) {
        let (source, input) = (self.source, self.input);
        let mut identifiers = Vec::new();
        for (name, written) in &source.identifiers {
            if let Some(index) = type_index(name) {
                let planned = self.value(&format!("identifiers.{name}"), written, |_| DataType::Utf8);
                identifiers.extend(self.noted(planned).map(|(expr, _)| (index, expr)));
            }
        }
        let mut columns = Vec::new();
        if source.kind == Kind::Profile {
            for (name, written) in &source.traits {
                let planned = self.value(&format!("traits.{name}"), written, trait_type);
                columns.extend(self.noted(planned).map(|(expr, target)| MappedColumn {
                    name: name.clone(),
                    target,
                    required: false,
                    expr: Some(expr),
                }));
            }
        }
        for column in source.kind.columns() {
            let target = plain(column.column_type);
            let planned = source.column(column.name).and_then(|written| {
                let key = format!("columns.{}", column.name);
                let planned = self.value(&key, written, |_| target.clone());
                self.noted(planned)
            });
            columns.push(MappedColumn {
                name: column.name.to_owned(),
                target,
                required: column.required,
                expr: planned.map(|(expr, _)| expr),
            });
        }
        let keep = source.filter.as_ref().and_then(|written| {
            let planned = self.condition(written);
            self.noted(planned)
        });
        let key = source.record_key.as_ref().and_then(|written| {
            let planned = self.key(written).map_err(Error::of_key);
            self.noted(planned)
        });
        let time = source.time.as_ref().and_then(|written| {
            let planned = self.moment("time", written);
            self.noted(planned)
        });
        let updated = source.updated_at.as_ref().and_then(|written| {
            let planned = self
                .moment("updated_at", written)
                .and_then(|expr| self.optional("updated_at", written, expr));
            self.noted(planned)
        });
        let mut named = BTreeSet::new();
        let single = [&keep, &key, &time].into_iter().flatten();
        let many = identifiers
            .iter()
            .map(|(_, expr)| expr)
            .chain(columns.iter().filter_map(|column| column.expr.as_ref()))
            .chain(&updated)
            .map(|optional| &optional.expr);
        for expr in single.chain(many) {
            named.extend(collect_columns(expr).into_iter().map(|column| column.index()));
        }
        let rest = if source.kind == Kind::Event {
            (0..input.fields().len())
                .filter(|index| !named.contains(index))
                .collect()
        } else {
            Vec::new()
        };
        let mapping = Mapping {
            input: Arc::clone(input),
            keep,
            key,
            time,
            updated,
            identifiers,
            columns,
            rest,
            named: named.into_iter().collect(),
            zone: source.zone.unwrap_or(zone),
            kind: source.kind,
            until,
        };
        (mapping, self.problems)
    }

    /// What was planned; an error is one of the problems.
    fn noted<T>(&mut self, planned: Result<T>) -> Option<T> {
        planned.map_err(|error| self.problems.push(error)).ok()
    }

    fn unfit(&self, key: &str, at: Spot, cause: perennial_engine::Error) -> Error {
        Error::Mapping {
            name: self.source.name.clone(),
            key: key.to_owned(),
            at,
            cause: Box::new(match (cause.class(), cause.hint()) {
                (ErrorClass::UndefinedColumn, None) => cause.with_hint(columns_told(self.input)),
                _ => cause,
            }),
        }
    }

    fn castable(&self, key: &str, at: Spot, from: &DataType, to: &DataType) -> Result<()> {
        if arrow::compute::can_cast_types(from, to) {
            return Ok(());
        }
        let message = format!(
            "a value of type {} cannot become {}",
            type_name(from),
            type_name(to)
        );
        let cause = perennial_engine::Error::new(ErrorClass::TypeMismatch, message);
        Err(self.unfit(
            key,
            at,
            cause.with_hint("Write an expression of one value of that type."),
        ))
    }

    /// An expression that gives NULL where a value cannot be cast.
    fn planned(&self, key: &str, written: &Expression) -> Result<Arc<dyn PhysicalExpr>> {
        expression(self.state, &written.sql, &self.schema)
            .and_then(lenient)
            .and_then(|expr| physical(self.state, expr, &self.schema))
            .map_err(|cause| self.unfit(key, written.at, cause))
    }

    /// The same, with how its casts fail.
    fn optional(&self, key: &str, written: &Expression, expr: Arc<dyn PhysicalExpr>) -> Result<Optional> {
        let strict = expression(self.state, &written.sql, &self.schema)?;
        Ok(Optional {
            key: key.to_owned(),
            expr,
            casts: Casts::of(self.state, strict, &self.schema)?,
        })
    }

    /// An expression of a value that becomes one of another type, and that type by the one that it has.
    fn value(
        &self,
        key: &str,
        written: &Expression,
        target: impl Fn(&DataType) -> DataType,
    ) -> Result<(Optional, DataType)> {
        let expr = self.planned(key, written)?;
        let found = expr.data_type(self.input)?;
        let target = target(&found);
        self.castable(key, written.at, &found, &target)?;
        Ok((self.optional(key, written, expr)?, target))
    }

    /// A value that cannot be cast is NULL everywhere but here: it would leave its row out without a word.
    fn condition(&self, written: &Expression) -> Result<Arc<dyn PhysicalExpr>> {
        let expr = expression(self.state, &written.sql, &self.schema)
            .and_then(|expr| physical(self.state, expr, &self.schema))
            .map_err(|cause| self.unfit("where", written.at, cause))?;
        match expr.data_type(self.input)? {
            DataType::Boolean | DataType::Null => Ok(expr),
            other => {
                let message = format!("a value of type {} is no condition", type_name(&other));
                let cause = perennial_engine::Error::new(ErrorClass::TypeMismatch, message);
                let hint = format!(
                    "Write what has to be true of a row, such as {} IS NOT NULL.",
                    written.sql
                );
                Err(self.unfit("where", written.at, cause.with_hint(hint)))
            }
        }
    }

    fn key(&self, written: &Expression) -> Result<Arc<dyn PhysicalExpr>> {
        let key = self.planned("record_key", written)?;
        self.castable(
            "record_key",
            written.at,
            &key.data_type(self.input)?,
            &DataType::Utf8,
        )?;
        Ok(key)
    }

    fn moment(&self, key: &str, written: &Expression) -> Result<Arc<dyn PhysicalExpr>> {
        let moment = self.planned(key, written)?;
        may_be_moments(&moment.data_type(self.input)?).map_err(|cause| self.unfit(key, written.at, cause))?;
        Ok(moment)
    }
}
