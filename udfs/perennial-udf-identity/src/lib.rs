//! SQL functions on identifiers: normalisation, similarity, masking.

pub mod identity;
pub mod privacy;

use perennial_udf_kit::FunctionSet;

/// The functions of this crate.
pub fn functions() -> FunctionSet {
    FunctionSet::new()
        .with_scalar(identity::normalise_email::NormaliseEmail::new())
        .with_scalar(identity::normalise_name::NormaliseName::new())
        .with_scalar(identity::normalise_phone::NormalisePhone::new())
        .with_scalar(privacy::mask_email::MaskEmail::new())
}

#[cfg(test)]
mod tests {
    #[test]
    fn functions_are_documented() {
        perennial_udf_kit::testing::check_set(&super::functions());
    }
}
