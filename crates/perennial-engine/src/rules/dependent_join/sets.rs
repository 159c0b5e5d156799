//! `x IN (query)`, `x = ANY (query)` and `x > ALL (query)` where a value stands. In a filter the planner makes semi-joins of
//! them, of which the others need what is true, false or unknown.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, JoinType, Result};
use datafusion::functions_aggregate::bool_and_or::{bool_and, bool_or};
use datafusion::functions_aggregate::count::count;
use datafusion::functions_aggregate::min_max::{max, min};
use datafusion::logical_expr::expr::{InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, not, when,
};

use super::DependentJoin;

/// A comparison of a value with the rows of a query.
pub(super) struct Compared {
    value: Expr,
    op: Operator,
    all: bool,
    negated: bool,
    subquery: Subquery,
}

impl Compared {
    /// What an expression compares, if it does.
    pub(super) fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => Some(Self {
                value: expr.as_ref().clone(),
                op: Operator::Eq,
                all: false,
                negated: *negated,
                subquery: subquery.clone(),
            }),
            Expr::SetComparison(SetComparison {
                expr,
                subquery,
                op,
                quantifier,
            }) => Some(Self {
                value: expr.as_ref().clone(),
                op: *op,
                all: *quantifier == SetQuantifier::All,
                negated: false,
                subquery: subquery.clone(),
            }),
            _ => None,
        }
    }

    fn told(&self, value: Expr) -> Expr {
        if self.negated { not(value) } else { value }
    }
}

/// Whether an expression compares a value with the rows of a query.
pub(super) fn compares(exprs: &[Expr]) -> bool {
    // The test itself never fails.
    let found = |expr: &Expr| {
        expr.exists(|expr| Ok(Compared::of(expr).is_some()))
            .unwrap_or(false)
    };
    exprs.iter().any(found)
}

/// Whether it matters to a part of a condition if such a comparison inside of it is false or unknown, which the joins that the
/// planner has for them do not tell apart.
pub(super) fn unsure(part: &Expr) -> bool {
    let of = |expr: &Expr| compares(std::slice::from_ref(expr));
    match part {
        // Of rows that are others for each row outside the planner's join knows no NULL.
        Expr::InSubquery(InSubquery {
            subquery,
            negated: true,
            ..
        }) if !subquery.outer_ref_columns.is_empty() => true,
        Expr::InSubquery(InSubquery { expr, .. }) | Expr::SetComparison(SetComparison { expr, .. }) => {
            of(expr)
        }
        Expr::BinaryExpr(_) => !is_or_of_members(part),
        part => of(part),
    }
}

fn is_or_of_members(part: &Expr) -> bool {
    match part {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And | Operator::Or,
            right,
        }) => is_or_of_members(left) && is_or_of_members(right),
        Expr::InSubquery(InSubquery {
            expr, negated: false, ..
        }) => !compares(std::slice::from_ref(expr.as_ref())),
        part => !compares(std::slice::from_ref(part)),
    }
}

const ROWS: &str = "__rows";
const VALUES: &str = "__values";
const VALUE: &str = "__value";
const LEAST: &str = "__least";
const GREATEST: &str = "__greatest";

fn unknown() -> Expr {
    lit(ScalarValue::Boolean(None))
}

impl DependentJoin {
    /// The input joined with what a comparison needs, and its value. None for shapes that are left to the planner.
    pub(super) fn compared(
        &self,
        compared: &Compared,
        input: &LogicalPlan,
    ) -> Result<Option<(LogicalPlan, Expr)>> {
        let columns = compared.subquery.subquery.schema().columns();
        let [column] = columns.as_slice() else {
            return Ok(None);
        };
        let apart = compared.subquery.outer_ref_columns.is_empty();
        match compared.op {
            Operator::Eq if apart && !compared.all => self.is_member(compared, column, input).map(Some),
            Operator::NotEq if apart && compared.all => {
                let negated = Compared {
                    value: compared.value.clone(),
                    op: Operator::Eq,
                    all: false,
                    negated: !compared.negated,
                    subquery: compared.subquery.clone(),
                };
                self.is_member(&negated, column, input).map(Some)
            }
            _ if apart => self.ranked(compared, column, input),
            _ => self.of_each(compared, column, input),
        }
    }

    /// Whether a value is among the rows of a query that asks for nothing outside: the input is joined with the distinct
    /// ones, and with how many there are.
    fn is_member(
        &self,
        compared: &Compared,
        column: &Column,
        input: &LogicalPlan,
    ) -> Result<(LogicalPlan, Expr)> {
        let (members, counts) = (self.fresh("members"), self.fresh("counts"));
        let query = LogicalPlanBuilder::from(compared.subquery.subquery.as_ref().clone());
        let column = Expr::Column(column.clone());
        let distinct = query
            .clone()
            .filter(column.clone().is_not_null())?
            .project([column.clone().alias(VALUE)])?
            .distinct()?
            .alias(members.as_str())?
            .build()?;
        let counted = query
            .aggregate(
                Vec::<Expr>::new(),
                [count(lit(1)).alias(ROWS), count(column).alias(VALUES)],
            )?
            .alias(counts.as_str())?
            .build()?;
        let of = |relation: &str, name: &str| Expr::Column(Column::new(Some(relation), name));
        let member = of(&members, VALUE);
        let joined = LogicalPlanBuilder::from(input.clone())
            .cross_join(counted)?
            .join_on(
                distinct,
                JoinType::Left,
                [compared.value.clone().eq(member.clone())],
            )?
            .build()?;
        let (rows, values) = (of(&counts, ROWS), of(&counts, VALUES));
        let unsure = compared.value.clone().is_null().or(rows.clone().not_eq(values));
        let value = when(member.is_not_null(), lit(true))
            .when(rows.eq(lit(0_i64)), lit(false))
            .when(unsure, unknown())
            .otherwise(lit(false))?;
        Ok((joined, compared.told(value)))
    }

    /// The comparison with the rows of a query that asks for nothing outside: the least and the greatest decide, and how many
    /// there are.
    fn ranked(
        &self,
        compared: &Compared,
        column: &Column,
        input: &LogicalPlan,
    ) -> Result<Option<(LogicalPlan, Expr)>> {
        let column = Expr::Column(column.clone());
        let relation = self.fresh("bounds");
        let bounds = LogicalPlanBuilder::from(compared.subquery.subquery.as_ref().clone())
            .aggregate(
                Vec::<Expr>::new(),
                [
                    min(column.clone()).alias(LEAST),
                    max(column.clone()).alias(GREATEST),
                    count(lit(1)).alias(ROWS),
                    count(column).alias(VALUES),
                ],
            )?
            .alias(relation.as_str())?
            .build()?;
        let of = |name: &str| Expr::Column(Column::new(Some(relation.as_str()), name));
        let with = |name: &str| {
            Expr::BinaryExpr(BinaryExpr::new(
                Box::new(compared.value.clone()),
                compared.op,
                Box::new(of(name)),
            ))
        };
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        // What holds of one for ANY, of all for ALL.
        let decides = match (compared.op, compared.all) {
            (Lt | LtEq, false) | (Gt | GtEq, true) => with(GREATEST),
            (Lt | LtEq, true) | (Gt | GtEq, false) => with(LEAST),
            (NotEq, false) => with(LEAST).or(with(GREATEST)),
            (Eq, true) => with(LEAST).and(with(GREATEST)),
            _ => return Ok(None),
        };
        let decided = match compared.all {
            true => decides.is_false(),
            false => decides.is_true(),
        };
        let (rows, values) = (of(ROWS), of(VALUES));
        let unsure = compared.value.clone().is_null().or(rows.clone().not_eq(values));
        let value = when(rows.eq(lit(0_i64)), lit(compared.all))
            .when(decided, lit(!compared.all))
            .when(unsure, unknown())
            .otherwise(lit(compared.all))?;
        let joined = LogicalPlanBuilder::from(input.clone())
            .cross_join(bounds)?
            .build()?;
        Ok(Some((joined, compared.told(value))))
    }

    /// The comparison with each row of a query, as a correlated subquery that is one value.
    fn of_each(
        &self,
        compared: &Compared,
        column: &Column,
        input: &LogicalPlan,
    ) -> Result<Option<(LogicalPlan, Expr)>> {
        let mut outer = compared.subquery.outer_ref_columns.clone();
        let value = compared.value.clone().transform_up(|expr| match expr {
            Expr::Column(column) => {
                let (_, field) = Expr::Column(column.clone()).to_field(input.schema())?;
                let asked = Expr::OuterReferenceColumn(field, column);
                if !outer.contains(&asked) {
                    outer.push(asked.clone());
                }
                Ok(Transformed::yes(asked))
            }
            expr => Ok(Transformed::no(expr)),
        })?;
        let each = Expr::BinaryExpr(BinaryExpr::new(
            Box::new(value.data),
            compared.op,
            Box::new(Expr::Column(column.clone())),
        ));
        let together = match compared.all {
            true => bool_and(each.clone()),
            false => bool_or(each.clone()),
        };
        let query = LogicalPlanBuilder::from(compared.subquery.subquery.as_ref().clone()).aggregate(
            Vec::<Expr>::new(),
            [
                together.alias(VALUE),
                count(lit(1)).alias(ROWS),
                count(each).alias(VALUES),
            ],
        )?;
        let named = |name: &str| Expr::Column(Column::new_unqualified(name));
        // One is enough for ANY, and one that is not for ALL; the others must all be known.
        let decided = match compared.all {
            true => named(VALUE).is_false(),
            false => named(VALUE).is_true(),
        };
        let answer = when(decided, lit(!compared.all))
            .when(named(ROWS).eq(named(VALUES)), lit(compared.all))
            .otherwise(unknown())?;
        let subquery = Subquery {
            subquery: Arc::new(query.project([answer.alias(VALUE)])?.build()?),
            outer_ref_columns: outer,
            spans: compared.subquery.spans.clone(),
        };
        let joined = self.join(&subquery, input)?;
        Ok(joined.map(|(joined, value)| (joined, compared.told(value))))
    }
}
