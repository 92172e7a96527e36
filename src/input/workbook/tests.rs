use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// What becomes of a workbook with one part more than the others.
fn refused(name: &str, blocks: usize, block: &[u8]) -> String {
    let mut parts = ZipWriter::new(tempfile::tempfile().unwrap());
    let packed = SimpleFileOptions::default();
    parts.start_file(name, packed).unwrap();
    for _ in 0..blocks {
        parts.write_all(block).unwrap();
    }
    let file = parts.finish().unwrap();
    fits(&file).map_or_else(|error| error.to_string(), |()| "fits".into())
}

#[test]
fn a_workbook_that_unpacks_without_end_is_refused_before_it_is_read() {
    let block = vec![b' '; 1 << 20];
    let too_long = "unpacks to more than 512 MB (a full sheet of users comes to 350)";
    assert_eq!(refused("xl/a.xml", 513, &block), too_long);
    assert_eq!(refused("xl/a.xml", 1, &block), "fits");
}

#[test]
fn room_is_made_for_no_more_texts_than_a_sheet_can_hold() {
    let texts = |n: &str| {
        let text = format!("<sst uniqueCount=\"{n}\"></sst>");
        refused("xl/SharedStrings.xml", 1, text.as_bytes())
    };
    assert_eq!(texts("3000000"), "fits");
    let told = texts("99999999999999999999");
    assert!(
        told.starts_with("says that it holds 18446744073709551615"),
        "{told}"
    );
}

/// A workbook of one sheet with these rows; its cells' styles are 1: 00000000, 2: "S"0000, 3: a
/// date.
pub fn book(rows: &str) -> File {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let relation = |id, what| {
        format!("<Relationship Id=\"{id}\" Type=\"{office}/{what}\" Target=\"{what}.xml\"/>")
    };
    let parts = [
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"a\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"a\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{package}\">{}{}</Relationships>",
                relation("a", "worksheet"),
                relation("b", "styles")
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{main}\"><numFmts count=\"2\"><numFmt numFmtId=\"164\" formatCode=\"00000000\"/><numFmt numFmtId=\"165\" formatCode=\"&quot;S&quot;0000\"/></numFmts><cellXfs count=\"4\"><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"
            ),
        ),
        (
            "xl/worksheet.xml",
            format!("<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>"),
        ),
    ];
    let mut zip = ZipWriter::new(tempfile::tempfile().unwrap());
    for (name, part) in parts {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(part.as_bytes()).unwrap();
    }
    zip.finish().unwrap()
}

/// The same as CSV.
fn as_csv(rows: &str) -> Result<String, String> {
    let file = book(rows);
    let mut csv = Vec::new();
    let read = to_csv(&file, &Rules::default(), &mut csv);
    read.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(csv).unwrap())
}

const HEADER: &str =
    r#"<row r="1"><c r="A1" t="str"><v>UserId</v></c><c r="B1" t="str"><v>Nickname</v></c></row>"#;

#[test]
fn a_number_is_the_text_that_its_format_shows_or_an_error() {
    let rows = r#"<row r="2"><c r="A2" s="1"><v>12345</v></c><c r="B2" s="1"><v>7</v></c></row>
        <row r="3"><c r="A3" s="2"><v>12</v></c><c r="B3" s="2"><v>7</v></c></row>
        <row r="4"><c r="A4"><v>12</v></c><c r="B4"><v>510322199001015123</v></c></row>
        <row r="5"><c r="A5"><v>13</v></c><c r="B5" s="3"><v>45000</v></c></row>"#;
    let csv = as_csv(&format!("{HEADER}{rows}")).unwrap();
    let expected = "UserId,Nickname\n00012345,00000007\n1.2E+01,7E+00\n\
        12,5.103221990010151E+17\n13,2023-03-15\n";
    assert_eq!(csv, expected);
    // Beside an id that is a text of digits only a format tells of zeros.
    let text = |id: &str| format!(r#"<row r="6"><c r="A6" t="str"><v>{id}</v></c></row>"#);
    let csv = as_csv(&format!("{HEADER}{rows}{}", text("T001"))).unwrap();
    assert!(csv.contains("\n12,5.1"), "{csv}");
    let csv = as_csv(&format!("{HEADER}{rows}{}", text("007"))).unwrap();
    assert!(csv.contains("\n00012345,"), "{csv}");
    assert!(csv.contains("\n1.2E+01,5.1"), "{csv}");
}

#[test]
fn a_formula_that_nobody_worked_out_is_no_blank_cell() {
    let rows = r#"<row r="2"><c r="A2"><f>"u"&amp;1</f></c><c r="B2"><f>C2</f><v></v></c><c r="C2"><f>1</f></c></row>
        <row r="3"><c r="A3" t="str"><v>u3</v></c><c r="B3" t="str"><f>""</f><v></v></c></row>
        <row r="4"><c r="A4" t="str"><v>u4</v></c><c r="B4" t="str"><f>D4</f><v>Ann</v></c></row>
        <row r="5"><c r="A5" t="str"><v>u5</v></c><c r="B5"/></row>
        <row r="6"><c r="A6" t="str"><v>u6</v></c><c r="B6"><f>D6</f><v>0</v></c></row>
        <row r="7"><c r="A7" t="str"><v>u7</v></c><c r="B7"><v>0</v></c></row>"#;
    let csv = as_csv(&format!("{HEADER}{rows}")).unwrap();
    let expected =
        "UserId,Nickname\n#NO-VALUE!,#NO-VALUE!,\nu3,\nu4,Ann\nu5,\nu6,#NO-VALUE!\nu7,0\n";
    assert_eq!(csv, expected);
}

#[test]
fn rows_and_cells_that_would_land_in_others_places_are_refused() {
    let row = |n, id| format!(r#"<row r="{n}"><c r="A{n}" t="str"><v>{id}</v></c></row>"#);
    let told = as_csv(&[HEADER, &row(3, "u3"), &row(2, "u2")].concat());
    assert_eq!(
        told.unwrap_err(),
        "row 2 stands behind later ones, or has a cell twice"
    );
    let twice = r#"<row r="2"><c r="A2" t="str"><v>a</v></c><c r="A2" t="str"><v>b</v></c></row>"#;
    let told = as_csv(&[HEADER, twice].concat());
    assert_eq!(
        told.unwrap_err(),
        "row 2 stands behind later ones, or has a cell twice"
    );
}
