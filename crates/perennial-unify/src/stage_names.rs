//! Whether what is compared with a lifecycle stage is one.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// The columns of `customer_360` that hold a stage.
const STAGES: [&str; 2] = ["lifecycle_stage", "previous_stage"];

/// The texts that a condition compares with a column of stages and that are none of the model, in the order of the condition.
pub(crate) fn unknown_stages(condition: &Expr, known: &[&str]) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut compared = |column: &Expr, value: &Expr| {
        if let (Expr::Column(column), Expr::Literal(value, _)) = (column, value)
            && STAGES.contains(&column.name())
            && let Some(Some(text)) = value.try_as_str()
            && !known.contains(&text)
        {
            unknown.push(text.to_owned());
        }
    };
    // It visits, and nothing of it fails.
    let _ = condition.apply(|part| {
        match part {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq | Operator::NotEq,
                right,
            }) => {
                compared(bare(left), bare(right));
                compared(bare(right), bare(left));
            }
            Expr::InList(list) => {
                for value in &list.list {
                    compared(bare(&list.expr), bare(value));
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    unknown
}

/// What is below casts.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => bare(&cast.expr),
        Expr::TryCast(cast) => bare(&cast.expr),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{ident, lit};

    use super::*;

    #[test]
    fn only_texts_beside_a_stage_are_held_against_the_model() {
        let known = ["loyalty", "at_risk"];
        let stage = || ident("lifecycle_stage");
        let of = |condition: Expr| unknown_stages(&condition, &known);
        assert_eq!(of(stage().eq(lit("loyal"))), ["loyal"]);
        assert_eq!(of(lit("loyal").not_eq(stage())), ["loyal"]);
        assert_eq!(
            of(stage().eq(lit("loyalty")).and(ident("country").eq(lit("fr")))),
            [""; 0]
        );
        assert_eq!(
            of(ident("previous_stage").in_list(vec![lit("at_risk"), lit("atrisk"), lit("won")], false)),
            ["atrisk", "won"]
        );
    }
}
