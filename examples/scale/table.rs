//! The figures of all runs, side by side.

/// One figure of one run.
#[derive(Debug, Clone)]
pub struct Figure {
    pub name: &'static str,
    pub value: String,
    /// What is aimed at, with the largest cluster.
    pub aim: &'static str,
}

/// Figures of a run, in the order in which they were measured.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub pods: usize,
    pub measured: Vec<Figure>,
    /// What must not be, whatever machine this is.
    pub failures: Vec<String>,
}

impl Figures {
    pub fn add(&mut self, name: &'static str, value: impl Into<String>, aim: &'static str) {
        let value = value.into();
        eprintln!("  {name}: {value}");
        self.measured.push(Figure { name, value, aim });
    }

    /// Notes a failure unless it holds.
    pub fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            let text = otherwise();
            eprintln!("  FAILED: {text}");
            self.failures.push(text);
        }
    }
}

/// Prints them: a figure a row, a run a column.
pub fn print(runs: &[Figures]) {
    let Some(first) = runs.first() else { return };
    let head = [String::new()].into_iter().chain(runs.iter().map(|run| format!("{} pods", run.pods)));
    let mut rows: Vec<Vec<String>> = vec![head.chain(["aim".to_owned()]).collect()];
    for figure in &first.measured {
        let of = |run: &Figures| run.measured.iter().find(|one| one.name == figure.name).map(|one| one.value.clone());
        let values = runs.iter().map(|run| of(run).unwrap_or_else(|| "-".to_owned()));
        rows.push([figure.name.to_owned()].into_iter().chain(values).chain([figure.aim.to_owned()]).collect());
    }
    let columns = rows[0].len();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    println!();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let fill = " ".repeat(width - cell.chars().count());
            if column == 0 { format!("{cell}{fill}") } else { format!("{fill}{cell}") }
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
