// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables for people.
#![forbid(unsafe_code)]

/// Columns two spaces apart, nothing at the end of a line.
pub(crate) fn align(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max()
    };
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter().enumerate().map(|(i, cell)| format!("{cell:<0$}", width(i).unwrap_or(0)));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}
