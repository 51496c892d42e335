//! Plots as SVG, without a library: bars, and lines over logarithmic axes.

use std::fmt::Write;

const WIDTH: f64 = 780.0;
const COLOURS: [&str; 5] = ["#0b6bcb", "#c2410c", "#15803d", "#7e22ce", "#475569"];

/// A bar with its name and value.
pub struct Bar {
    pub name: String,
    pub value: f64,
    /// Ours are one colour, all else another.
    pub ours: bool,
}

/// Points that belong together.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// Drawn as what is possible, and not as what was measured.
    pub bound: bool,
}

fn open(height: f64, title: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    text(&mut svg, 16.0, 24.0, "start", title);
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// Horizontal bars, the longest over the whole width.
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 330.0;
    let most = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = open(bars.len() as f64 * 26.0 + 52.0, title);
    for (at, Bar { name, value, ours }) in bars.iter().enumerate() {
        let (y, length) = (at as f64 * 26.0 + 40.0, value / most * (WIDTH - LEFT - 110.0));
        let colour = COLOURS[usize::from(!ours) * 4];
        text(&mut svg, LEFT - 8.0, y + 14.0, "end", name);
        let _ =
            writeln!(svg, "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"18\" fill=\"{colour}\"/>");
        text(&mut svg, LEFT + length + 6.0, y + 14.0, "start", &format!("{}{unit}", short(*value)));
    }
    svg + "</svg>\n"
}

/// Lines over two logarithmic axes.
pub fn lines(title: &str, across: &str, up: &str, lines: &[Line]) -> String {
    const LEFT: f64 = 70.0;
    const TOP: f64 = 44.0;
    const RIGHT: f64 = 30.0;
    const BOTTOM: f64 = 50.0;
    let height = 380.0;
    // The names stand below.
    let whole = height + lines.len() as f64 * 20.0;
    let points = || lines.iter().flat_map(|line| &line.points).filter(|point| point.0 > 0.0 && point.1 > 0.0);
    let span = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) =
            points().map(of).fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), one| (low.min(one), high.max(one)));
        (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0))
    };
    if points().next().is_none() {
        return open(whole, title) + "</svg>\n";
    }
    let ((left, right), (bottom, top)) = (span(|point| point.0), span(|point| point.1));
    let x = |value: f64| LEFT + (value.log10() - left) / (right - left) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| height - BOTTOM - (value.log10() - bottom) / (top - bottom) * (height - TOP - BOTTOM);
    let mut svg = open(whole, title);
    for power in powers(left, right) {
        let at = x(power);
        let _ = writeln!(svg, "<path d=\"M{at:.1} {TOP}V{:.1}\" stroke=\"#ddd\"/>", height - BOTTOM);
        text(&mut svg, at, height - BOTTOM + 18.0, "middle", &short(power));
    }
    for power in powers(bottom, top) {
        let at = y(power);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - RIGHT);
        text(&mut svg, LEFT - 6.0, at + 4.0, "end", &short(power));
    }
    text(&mut svg, f64::midpoint(LEFT, WIDTH - RIGHT), height - 8.0, "middle", across);
    text(&mut svg, LEFT, TOP - 6.0, "middle", up);
    let mut colours = COLOURS.iter().cycle();
    let mut colour = COLOURS[0];
    for (at, Line { name, points, bound }) in lines.iter().enumerate() {
        // A bound is that of the line before it.
        if !bound {
            colour = colours.next().copied().unwrap_or(colour);
        }
        let path: Vec<_> = points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let look = format!(
            "fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{}",
            if *bound { " stroke-dasharray=\"5 4\"" } else { "" }
        );
        let _ = writeln!(svg, "<polyline points=\"{}\" {look}/>", path.join(" "));
        let label = height + 10.0 + at as f64 * 20.0;
        let _ = writeln!(svg, "<path d=\"M{LEFT} {:.1}h24\" {look}/>", label - 4.0);
        text(&mut svg, LEFT + 32.0, label, "start", name);
    }
    svg + "</svg>\n"
}

/// The powers of ten from one to another.
fn powers(from: f64, to: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(from), |power| Some(power + 1.0))
        .take_while(move |power| *power <= to)
        .map(|power| 10_f64.powf(power))
}

/// A number as it is said.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value if value >= 10.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_svg() {
        let bar = Bar { name: "a & b".to_owned(), value: 12_345.0, ours: true };
        let svg = bars("Bars", "/s", &[bar]);
        assert!(
            svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &amp; b") && svg.contains("12 k/s")
        );
        let line = Line { name: "seconds".to_owned(), points: vec![(10.0, 0.5), (1_000.0, 20.0)], bound: true };
        let svg = lines("Lines", "commits", "s", &[line]);
        assert!(svg.contains("<polyline points=\"70.0,") && svg.contains("stroke-dasharray"), "{svg}");
        assert!(lines("Nothing", "", "", &[]).ends_with("</svg>\n"));
    }
}
