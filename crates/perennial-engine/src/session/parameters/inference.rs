//! Types of parameters that the planner leaves open, told by where the parameters stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use crate::functions::postgres::{equals_any, numeric};
use crate::sql::types::list_of;

/// The types by the number of the parameter, from 0 on. Of several places the first that tells a type counts.
pub(super) fn by_use(plan: &LogicalPlan) -> Result<BTreeMap<usize, FieldRef>> {
    let mut uses = Uses::default();
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Limit(limit) => {
                for bound in [&limit.skip, &limit.fetch].into_iter().flatten() {
                    uses.note(bound, &plain(DataType::Int64));
                }
            }
            LogicalPlan::Filter(filter) => uses.note(&filter.predicate, &plain(DataType::Boolean)),
            _ => {}
        }
        let schema = seen_by(node)?;
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                uses.expression(expr, &schema);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(uses.0)
}

/// Functions of texts whose numbers are lengths and places: integers in Postgres, bigint in the planner.
const OF_LENGTHS: [&str; 7] = ["left", "right", "substr", "split_part", "lpad", "rpad", "repeat"];

/// The parameters that are lengths and places in texts.
pub(super) fn lengths(plan: &LogicalPlan) -> Result<BTreeMap<usize, FieldRef>> {
    let mut lengths = Uses::default();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr
                    && OF_LENGTHS.contains(&call.name())
                {
                    for id in call.args.iter().filter_map(bigint) {
                        let open = Expr::Placeholder(Placeholder::new_with_field(id.to_owned(), None));
                        lengths.note(&open, &plain(DataType::Int32));
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(lengths.0)
}

/// The parameter that an argument is, where the planner takes it for a bigint.
fn bigint(argument: &Expr) -> Option<&str> {
    let (argument, told) = match argument {
        Expr::Cast(cast) => (cast.expr.as_ref(), Some(&cast.field)),
        argument => (argument, None),
    };
    let Expr::Placeholder(Placeholder { id, field }) = argument else {
        return None;
    };
    let told = field.as_ref().or(told)?;
    (*told.data_type() == DataType::Int64).then_some(id)
}

fn plain(data_type: DataType) -> FieldRef {
    Field::new("", data_type, true).into()
}

/// The columns that the expressions of a node see.
fn seen_by(node: &LogicalPlan) -> Result<DFSchema> {
    let mut inputs = node.inputs().into_iter();
    let mut schema = match inputs.next() {
        Some(first) => first.schema().as_ref().clone(),
        None => node.schema().as_ref().clone(),
    };
    for input in inputs {
        schema.merge(input.schema());
    }
    Ok(schema)
}

#[derive(Default)]
struct Uses(BTreeMap<usize, FieldRef>);

impl Uses {
    fn expression(&mut self, expr: &Expr, schema: &DFSchema) {
        match expr {
            Expr::Cast(cast) => self.note(&cast.expr, &cast.field),
            Expr::TryCast(cast) => self.note(&cast.expr, &cast.field),
            Expr::Not(inner) => self.note(inner, &plain(DataType::Boolean)),
            Expr::BinaryExpr(binary) if matches!(binary.op, Operator::And | Operator::Or) => {
                self.note(&binary.left, &plain(DataType::Boolean));
                self.note(&binary.right, &plain(DataType::Boolean));
            }
            Expr::Case(case) => {
                if case.expr.is_none() {
                    for (when, _) in &case.when_then_expr {
                        self.note(when, &plain(DataType::Boolean));
                    }
                }
                let branches = case
                    .when_then_expr
                    .iter()
                    .map(|(_, then)| then)
                    .chain(&case.else_expr);
                self.alike(branches.map(AsRef::as_ref), schema);
            }
            Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
                (numeric::NAME, [number]) => self.note(number, &plain(DataType::Decimal128(38, 10))),
                ("coalesce" | "nullif" | "greatest" | "least", arguments) => self.alike(arguments, schema),
                ("array_has" | equals_any::NAME, [array, element]) => {
                    if let Ok((_, element)) = element.to_field(schema) {
                        self.note(array, &list_of(&element));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Expressions of one type: that of the first which has one.
    fn alike<'a>(&mut self, expressions: impl IntoIterator<Item = &'a Expr> + Clone, schema: &DFSchema) {
        let known = expressions
            .clone()
            .into_iter()
            .filter(|expr| !matches!(expr, Expr::Placeholder(_)))
            .filter_map(|expr| expr.to_field(schema).ok())
            .map(|(_, field)| field)
            .find(|field| !field.data_type().is_null());
        if let Some(known) = known {
            for expr in expressions {
                self.note(expr, &known);
            }
        }
    }

    fn note(&mut self, expr: &Expr, field: &FieldRef) {
        if let Expr::Placeholder(Placeholder { id, field: None }) = expr
            && let Some(number) = id
                .strip_prefix('$')
                .and_then(|number| number.parse::<usize>().ok())
            && let Some(index) = number.checked_sub(1)
            && !field.data_type().is_null()
        {
            self.0.entry(index).or_insert_with(|| Arc::clone(field));
        }
    }
}
