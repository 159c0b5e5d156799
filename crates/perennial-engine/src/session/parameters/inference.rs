//! Types of parameters that the planner leaves open, told by where the parameters stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use crate::functions::postgres::equals_any;

/// The types by the number of the parameter, from 0 on. Of several places the first that tells a type counts.
pub(super) fn by_use(plan: &LogicalPlan) -> Result<BTreeMap<usize, DataType>> {
    let mut uses = Uses::default();
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Limit(limit) => {
                for bound in [&limit.skip, &limit.fetch].into_iter().flatten() {
                    uses.note(bound, &DataType::Int64);
                }
            }
            LogicalPlan::Filter(filter) => uses.note(&filter.predicate, &DataType::Boolean),
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
struct Uses(BTreeMap<usize, DataType>);

impl Uses {
    fn expression(&mut self, expr: &Expr, schema: &DFSchema) {
        match expr {
            Expr::Cast(cast) => self.note(&cast.expr, cast.field.data_type()),
            Expr::TryCast(cast) => self.note(&cast.expr, cast.field.data_type()),
            Expr::Not(inner) => self.note(inner, &DataType::Boolean),
            Expr::BinaryExpr(binary) if matches!(binary.op, Operator::And | Operator::Or) => {
                self.note(&binary.left, &DataType::Boolean);
                self.note(&binary.right, &DataType::Boolean);
            }
            Expr::Case(case) => {
                if case.expr.is_none() {
                    for (when, _) in &case.when_then_expr {
                        self.note(when, &DataType::Boolean);
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
                ("coalesce" | "nullif" | "greatest" | "least", arguments) => self.alike(arguments, schema),
                ("array_has" | equals_any::NAME, [array, element]) => {
                    if let Ok(element) = element.get_type(schema) {
                        self.note(
                            array,
                            &DataType::List(Arc::new(Field::new_list_field(element, true))),
                        );
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
            .filter_map(|expr| expr.get_type(schema).ok())
            .find(|data_type| *data_type != DataType::Null);
        if let Some(known) = known {
            for expr in expressions {
                self.note(expr, &known);
            }
        }
    }

    fn note(&mut self, expr: &Expr, data_type: &DataType) {
        if let Expr::Placeholder(Placeholder { id, field: None }) = expr
            && let Some(number) = id
                .strip_prefix('$')
                .and_then(|number| number.parse::<usize>().ok())
            && let Some(index) = number.checked_sub(1)
            && *data_type != DataType::Null
        {
            self.0.entry(index).or_insert_with(|| data_type.clone());
        }
    }
}
