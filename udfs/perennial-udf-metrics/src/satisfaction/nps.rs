//! The Net Promoter Score of a group of answers.
//!
//! # Signature
//! `nps(score numeric [, strict boolean]) → double precision`; null without an answer. Also as a window function.
//! # Shape
//! Rows of one group to 1. State: promoters, passives, detractors, each `Int64`, never null.
//! # Units
//! Points from -100 to 100.
//! # Definition
//! `100 · (promoters − detractors) / n` over the whole scores from 0 to 10: 9 and 10 are promoters, 7 and 8 passives, 0
//! to 6 detractors. Null scores are ignored. 0 is a real score; without any answer there is none, so the answer is null.
//! # Errors
//! Invalid argument when a score is not a whole number from 0 to 10. With `strict` false such a score is ignored. Not
//! supported with DISTINCT: every answer counts. ORDER BY inside of the call changes nothing.
//! # Cost
//! O(n) time, 24 bytes of state per group; a sliding window takes rows back.
//! # Source
//! Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003.
//! # Example
//! `SELECT nps(score) FROM (VALUES (10), (9), (7), (0)) AS answers(score)` gives `25`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array},
    datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type},
};
use datafusion_common::{Result, exec_err};
use datafusion_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, Documentation, GroupsAccumulator, Signature,
    function::{AccumulatorArgs, StateFieldsArgs},
    utils::{AggregateOrderSensitivity, format_state_name},
};
use datafusion_macros::user_doc;
use perennial_udf_kit::{
    Fold, FunctionError, Groups, Kind, Parameter, Parameters, Single,
    columns::{self, Booleans, Column},
    every_row_counts,
};

const PARAMETERS: Parameters = Parameters {
    function: "nps",
    syntax: "nps(score numeric [, strict boolean])",
    required: &[Parameter::new("score", Kind::Float)],
    optional: &[Parameter::new("strict", Kind::Boolean)],
    rest: None,
    last: None,
};

/// The SQL function `nps`.
#[user_doc(
    doc_section(label = "satisfaction"),
    description = "Net Promoter Score: the share of promoters (9 and 10) less the share of detractors (0 to 6), in points from -100 to 100. Null scores are ignored; null when there is no answer.",
    syntax_example = "nps(score numeric [, strict boolean]) → double precision",
    sql_example = r#"```sql
SELECT nps(score) FROM (VALUES (10), (9), (7), (0)) AS answers(score);
+-----+
| nps |
+-----+
| 25  |
+-----+
```"#,
    argument(name = "score", description = "An answer: a whole number from 0 to 10."),
    argument(
        name = "strict",
        description = "Whether another score is an error, which names it; the default. False ignores such scores."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Nps {
    signature: Signature,
}

impl Nps {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: PARAMETERS.signature(),
        }
    }
}

impl Default for Nps {
    fn default() -> Self {
        Self::new()
    }
}

impl AggregateUDFImpl for Nps {
    fn name(&self) -> &str {
        PARAMETERS.function
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        PARAMETERS.check(arg_types)?;
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        every_row_counts(&args)?;
        Ok(Box::new(Single::new(Counting)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name| Field::new(format_state_name(args.name, name), DataType::Int64, true).into();
        Ok(["promoters", "passives", "detractors"].map(field).into())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(Counting)))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(PARAMETERS.coerce(arg_types))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

/// What of the answers matters.
#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    promoters: i64,
    passives: i64,
    detractors: i64,
}

impl Answers {
    fn of(score: f64, strict: bool) -> Result<Self> {
        if !(0.0..=10.0).contains(&score) || score.fract() != 0.0 {
            let expected = "whole numbers from 0 to 10";
            return match strict {
                true => Err(FunctionError::OutOfRange {
                    function: PARAMETERS.function,
                    argument: "score",
                    value: score.to_string(),
                    expected,
                }
                .into()),
                false => Ok(Self::default()),
            };
        }
        Ok(Self {
            promoters: i64::from(score >= 9.0),
            passives: i64::from((7.0..9.0).contains(&score)),
            detractors: i64::from(score < 7.0),
        })
    }

    fn add(&mut self, other: Self, times: i64) {
        self.promoters += times * other.promoters;
        self.passives += times * other.passives;
        self.detractors += times * other.detractors;
    }

    fn score(&self) -> Option<f64> {
        let count = self.promoters + self.passives + self.detractors;
        (count > 0).then(|| 100.0 * (self.promoters - self.detractors) as f64 / count as f64)
    }
}

#[derive(Debug)]
struct Counting;

struct Rows {
    scores: Column<Float64Type>,
    strict: Option<Booleans>,
}

impl Rows {
    fn answer(&self, row: usize) -> Result<Answers> {
        let strict = self
            .strict
            .as_ref()
            .and_then(|strict| strict.at(row))
            .unwrap_or(true);
        match self.scores.at(row) {
            Some(score) => Answers::of(score, strict),
            None => Ok(Answers::default()),
        }
    }
}

impl Fold for Counting {
    type State = Answers;
    type Rows = Rows;

    const RETRACTS: bool = true;

    fn rows(&self, arguments: &[ArrayRef]) -> Result<Rows> {
        let [scores, strict @ ..] = arguments else {
            return PARAMETERS.missing();
        };
        let strict = strict
            .first()
            .map(|strict| Booleans::try_new(&ColumnarValue::Array(Arc::clone(strict))));
        let scores = Column::try_new(&ColumnarValue::Array(Arc::clone(scores)))?;
        Ok(Rows {
            scores,
            strict: strict.transpose()?,
        })
    }

    fn add(&self, state: &mut Answers, rows: &Rows, row: usize) -> Result<()> {
        state.add(rows.answer(row)?, 1);
        Ok(())
    }

    fn retract(&self, state: &mut Answers, rows: &Rows, row: usize) -> Result<()> {
        state.add(rows.answer(row)?, -1);
        Ok(())
    }

    fn merge(&self, state: &mut Answers, other: Answers) -> Result<()> {
        state.add(other, 1);
        Ok(())
    }

    fn save(&self, states: Vec<Answers>) -> Result<Vec<ArrayRef>> {
        let column = |part: fn(&Answers) -> i64| -> ArrayRef {
            Arc::new(states.iter().map(part).collect::<Int64Array>())
        };
        Ok(vec![
            column(|a| a.promoters),
            column(|a| a.passives),
            column(|a| a.detractors),
        ])
    }

    fn load(&self, arrays: &[ArrayRef]) -> Result<Vec<Answers>> {
        let [promoters, passives, detractors] = arrays else {
            return exec_err!("the state of nps has 3 columns");
        };
        let column = columns::primitive::<Int64Type>;
        let (promoters, passives, detractors) = (column(promoters)?, column(passives)?, column(detractors)?);
        let rows = promoters.iter().zip(&passives).zip(&detractors);
        let whole = |part: Option<i64>| part.unwrap_or(0);
        let state = |((promoters, passives), detractors)| Answers {
            promoters: whole(promoters),
            passives: whole(passives),
            detractors: whole(detractors),
        };
        Ok(rows.map(state).collect())
    }

    fn answer(&self, states: &mut [Answers]) -> Result<ArrayRef> {
        Ok(Arc::new(
            states.iter().map(Answers::score).collect::<Float64Array>(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Decimal128Array, Int32Array};
    use datafusion_common::ScalarValue;
    use datafusion_expr::AggregateUDF;
    use perennial_udf_kit::testing::{aggregate, check_aggregate, check_aggregate_error};
    use proptest::prelude::*;

    use super::*;

    fn scores(scores: &[Option<i32>]) -> ArrayRef {
        Arc::new(Int32Array::from(scores.to_vec()))
    }

    #[track_caller]
    fn check(scores: &[Option<i32>], groups: &[usize], expected: &[Option<f64>]) {
        let arguments: ArrayRef = Arc::new(Int32Array::from(scores.to_vec()));
        let expected: ArrayRef = Arc::new(Float64Array::from(expected.to_vec()));
        check_aggregate(&AggregateUDF::from(Nps::new()), &[arguments], groups, &expected);
    }

    #[test]
    fn published_figures() {
        let each_once: Vec<_> = (0..=10).map(Some).collect();
        check(&each_once, &[0; 11], &[Some(-500.0 / 11.0)]);
        let mut survey = vec![Some(10); 100];
        survey.extend([Some(8); 30]);
        survey.extend([Some(3); 80]);
        check(&survey, &[0; 210], &[Some(2000.0 / 210.0)]);
        let with_null = [Some(1), Some(8), Some(8), Some(10), Some(5), None, Some(9)];
        check(&with_null, &[0; 7], &[Some(0.0)]);
    }

    #[test]
    fn groups_without_an_answer_have_no_score() {
        check(&[], &[], &[None]);
        check(&[None, None], &[0, 0], &[None]);
        check(
            &[Some(10), None, Some(0), Some(9), Some(7)],
            &[0, 1, 2, 0, 2],
            &[Some(100.0), None, Some(-50.0)],
        );
    }

    #[test]
    fn other_scores_are_errors_that_name_them() {
        let function = AggregateUDF::from(Nps::new());
        check_aggregate_error(
            &function,
            &[scores(&[Some(10), Some(11)])],
            "score 11 is out of range",
        );
        check_aggregate_error(&function, &[scores(&[Some(-1)])], "score -1 is out of range");
        let half: ArrayRef = Arc::new(Float64Array::from(vec![7.5]));
        check_aggregate_error(&function, &[half], "score 7.5 is out of range");
        let text: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["9"]));
        check_aggregate_error(&function, &[text], "function nps(text) does not exist");
    }

    #[test]
    fn lenient_calls_ignore_other_scores() {
        let lenient: ArrayRef = Arc::new(BooleanArray::from(vec![Some(false); 4]));
        let arguments = [scores(&[Some(10), Some(11), Some(-5), Some(0)]), lenient];
        let expected: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0)]));
        check_aggregate(&AggregateUDF::from(Nps::new()), &arguments, &[0; 4], &expected);
    }

    #[test]
    fn every_numeric_type_is_a_score() {
        let function = AggregateUDF::from(Nps::new());
        let decimal = Decimal128Array::from(vec![1000, 900, 700, 0])
            .with_precision_and_scale(5, 2)
            .unwrap();
        let answer = aggregate(&function, &[Arc::new(decimal) as ArrayRef]).unwrap();
        assert_eq!(answer, ScalarValue::Float64(Some(25.0)));
    }

    proptest! {
        #[test]
        fn the_order_of_answers_does_not_matter(scores in prop::collection::vec(0..=10_i32, 1..50)) {
            let function = AggregateUDF::from(Nps::new());
            let array = |scores: &[i32]| -> ArrayRef { Arc::new(Int32Array::from(scores.to_vec())) };
            let mut reversed = scores.clone();
            reversed.reverse();
            let answer = aggregate(&function, &[array(&scores)]).unwrap();
            prop_assert_eq!(&answer, &aggregate(&function, &[array(&reversed)]).unwrap());
            let ScalarValue::Float64(Some(nps)) = answer else { panic!("no score") };
            prop_assert!((-100.0..=100.0).contains(&nps));
        }
    }
}
