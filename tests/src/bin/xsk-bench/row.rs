// SPDX-License-Identifier: MIT OR Apache-2.0
//! A figure beside its reference, and how a list of them is shown.

use serde_json::json;

/// One figure.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: &'static str,
    /// Ours.
    pub(crate) ours: f64,
    /// What it is compared with, where that could be measured.
    pub(crate) reference: Option<f64>,
    /// Of both.
    pub(crate) unit: &'static str,
    /// How ours and the reference were taken.
    pub(crate) how: String,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.reference.map(|reference| self.ours / reference)
    }
}

/// The middle of the values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the table.
pub(crate) fn show(rows: &[Row]) {
    let number = |value: Option<f64>| {
        value.map_or(
            "-".to_owned(),
            |v| if v < 10.0 { format!("{v:.2}") } else { format!("{v:.0}") },
        )
    };
    println!("{:<38} {:>10} {:>10} {:>7}  {:<9} how", "", "ours", "reference", "ratio", "unit");
    for row in rows {
        let (ours, reference, ratio) =
            (number(Some(row.ours)), number(row.reference), number(row.ratio()));
        println!(
            "{:<38} {ours:>10} {reference:>10} {ratio:>7}  {:<9} {}",
            row.name, row.unit, row.how
        );
    }
}

/// The same for programs.
pub(crate) fn json(rows: &[Row]) -> String {
    let list: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "ours": row.ours, "reference": row.reference, "ratio": row.ratio(),
                "unit": row.unit, "how": row.how,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(list))
}
