//! Aggregate functions, from what is particular about each: a state, and how rows change it.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion_common::{Result, ScalarValue, not_impl_err};
use datafusion_expr::function::AccumulatorArgs;
use datafusion_expr::{Accumulator, EmitTo, GroupsAccumulator};

use crate::error::FunctionError;

/// What is particular about an aggregate function. [`Groups`] and [`Single`] make an engine's accumulators of it.
pub trait Fold: Debug + Send + Sync + 'static {
    /// What is kept of the rows of one group.
    type State: Default + Debug + Send + Sync + 'static;
    /// The arguments of a batch, in a form that is read by row.
    type Rows;

    /// Whether rows can be taken back, for windows that slide.
    const RETRACTS: bool = false;

    /// Reads the arguments of a batch.
    ///
    /// # Errors
    /// When they are not what the function takes.
    fn rows(&self, arguments: &[ArrayRef]) -> Result<Self::Rows>;

    /// Adds a row.
    ///
    /// # Errors
    /// When its values are not what the function takes.
    fn add(&self, state: &mut Self::State, rows: &Self::Rows, row: usize) -> Result<()>;

    /// Takes a row back that was added.
    ///
    /// # Errors
    /// When the function cannot.
    fn retract(&self, _state: &mut Self::State, _rows: &Self::Rows, _row: usize) -> Result<()> {
        not_impl_err!("this aggregate function cannot take rows back")
    }

    /// Adds all rows of another state.
    ///
    /// # Errors
    /// When the two do not go together.
    fn merge(&self, state: &mut Self::State, other: Self::State) -> Result<()>;

    /// States as arrays, of the types of the function's state fields.
    ///
    /// # Errors
    /// When an array cannot be made.
    fn save(&self, states: Vec<Self::State>) -> Result<Vec<ArrayRef>>;

    /// States from arrays that [`Self::save`] made.
    ///
    /// # Errors
    /// When the arrays are of other types.
    fn load(&self, arrays: &[ArrayRef]) -> Result<Vec<Self::State>>;

    /// The answers for states, which stay what they are.
    ///
    /// # Errors
    /// When there is no answer.
    fn answer(&self, states: &mut [Self::State]) -> Result<ArrayRef>;

    /// The bytes that a state holds outside of itself.
    fn heap_size(_state: &Self::State) -> usize {
        0
    }
}

/// Refuses DISTINCT, for `accumulator`: of equal rows each counts. An engine that plans DISTINCT as a GROUP BY of its own
/// must ask before; Perennial's does.
///
/// # Errors
/// [`FunctionError::Distinct`].
pub fn every_row_counts(arguments: &AccumulatorArgs<'_>) -> Result<()> {
    if arguments.is_distinct {
        let function = arguments.name.to_owned();
        return Err(FunctionError::Distinct { function }.into());
    }
    Ok(())
}

/// One state per group.
#[derive(Debug)]
pub struct Groups<F: Fold> {
    fold: F,
    states: Vec<F::State>,
    heap_size: usize,
}

impl<F: Fold> Groups<F> {
    /// No groups yet.
    pub fn new(fold: F) -> Self {
        Self {
            fold,
            states: Vec::new(),
            heap_size: 0,
        }
    }

    fn change(&mut self, group: usize, change: impl FnOnce(&F, &mut F::State) -> Result<()>) -> Result<()> {
        let Some(state) = self.states.get_mut(group) else {
            return Ok(());
        };
        let before = F::heap_size(state);
        change(&self.fold, state)?;
        self.heap_size = self.heap_size + F::heap_size(state) - before;
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo) -> Vec<F::State> {
        let emitted = emit_to.take_needed(&mut self.states);
        self.heap_size -= emitted.iter().map(F::heap_size).sum::<usize>();
        emitted
    }
}

impl<F: Fold> GroupsAccumulator for Groups<F> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.states.resize_with(total_num_groups, F::State::default);
        let rows = self.fold.rows(values)?;
        for (row, group) in group_indices
            .iter()
            .enumerate()
            .filter(|(row, _)| passes(opt_filter, *row))
        {
            self.change(*group, |fold, state| fold.add(state, &rows, row))?;
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut states = self.emit(emit_to);
        self.fold.answer(&mut states)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let states = self.emit(emit_to);
        self.fold.save(states)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.states.resize_with(total_num_groups, F::State::default);
        let others = self.fold.load(values)?;
        for (other, group) in others.into_iter().zip(group_indices) {
            self.change(*group, |fold, state| fold.merge(state, other))?;
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = self.fold.rows(values)?;
        let count = values.first().map_or(0, |values| values.len());
        let mut states = Vec::with_capacity(count);
        for row in 0..count {
            let mut state = F::State::default();
            if passes(opt_filter, row) {
                self.fold.add(&mut state, &rows, row)?;
            }
            states.push(state);
        }
        self.fold.save(states)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.states.capacity() * size_of::<F::State>() + self.heap_size
    }
}

/// One state, for aggregates without groups and over windows.
#[derive(Debug)]
pub struct Single<F: Fold> {
    fold: F,
    state: F::State,
}

impl<F: Fold> Single<F> {
    /// No rows yet.
    pub fn new(fold: F) -> Self {
        Self {
            fold,
            state: F::State::default(),
        }
    }
}

impl<F: Fold> Accumulator for Single<F> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = self.fold.rows(values)?;
        let count = values.first().map_or(0, |values| values.len());
        (0..count).try_for_each(|row| self.fold.add(&mut self.state, &rows, row))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let answer = self.fold.answer(std::slice::from_mut(&mut self.state))?;
        ScalarValue::try_from_array(&answer, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + F::heap_size(&self.state)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let arrays = self.fold.save(vec![std::mem::take(&mut self.state)])?;
        arrays
            .iter()
            .map(|array| ScalarValue::try_from_array(array, 0))
            .collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let others = self.fold.load(states)?;
        others
            .into_iter()
            .try_for_each(|other| self.fold.merge(&mut self.state, other))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = self.fold.rows(values)?;
        let count = values.first().map_or(0, |values| values.len());
        (0..count).try_for_each(|row| self.fold.retract(&mut self.state, &rows, row))
    }

    fn supports_retract_batch(&self) -> bool {
        F::RETRACTS
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}
