//! The vectors of the protocols and the rules of the guide.

use chrono::NaiveDate;

use crate::calendar::Calendar;
use crate::document_number::{DocumentType, NumberError, check, normalise};
use crate::form::{parse_date, parse_month};
use crate::person::{PasswordError, chinese_name, email, latin_name, mobile, password};
use crate::registration;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const TODAY: &str = "2026-11-24";

fn cn(number: &str) -> Result<(Option<NaiveDate>, Option<bool>), NumberError> {
    check(DocumentType::CnId, &normalise(number), day(TODAY)).map(|says| (says.birth, says.male))
}

#[test]
fn r1_3_resident_numbers_are_checked_in_full() {
    assert_eq!(cn("110101199003070011"), Ok((Some(day("1990-03-07")), Some(true))));
    assert_eq!(cn("310101200002290023"), Ok((Some(day("2000-02-29")), Some(false))));
    assert_eq!(cn(" 11010519491231002x "), Ok((Some(day("1949-12-31")), Some(false))));
    assert_eq!(cn("１１０１０５１９４９１２３１００２Ｘ"), Ok((Some(day("1949-12-31")), Some(false))));
    assert_eq!(cn("110101199003070012"), Err(NumberError::CheckDigit));
    assert_eq!(cn("110101199002300014"), Err(NumberError::Birth));
    assert_eq!(cn("110101900307001"), Err(NumberError::Fifteen));
    assert_eq!(cn("11010119900307001"), Err(NumberError::Shape));
    assert_eq!(cn("110101２01903070011字"), Err(NumberError::Shape));
    assert_eq!(cn("810000199408230021"), Err(NumberError::Province));
}

#[test]
fn r1_3_other_documents() {
    let ok = |kind, number: &str| check(kind, number, day(TODAY)).is_ok();
    assert!(ok(DocumentType::HkmtPermit, "810000199408230021"));
    assert!(ok(DocumentType::HkmtPermit, "820000199303030017"));
    assert!(ok(DocumentType::HkmtPermit, "830000199201300022"));
    assert!(ok(DocumentType::FprNew, "932682198501010017"));
    assert!(ok(DocumentType::FprNew, "942840198802150020"));
    assert!(ok(DocumentType::FprOld, "KAZ110090123105"));
    assert!(crate::document_number::fpr_old_check("KAZ110090123105"));
    assert!(!crate::document_number::fpr_old_check("USA110074110419"));
    assert!(ok(DocumentType::HkmPass, "H12345678"));
    assert!(ok(DocumentType::HkmPass, "M1234567801"));
    assert!(!ok(DocumentType::HkmPass, "H123456780"));
    assert!(ok(DocumentType::TwPass, "12345678"));
    assert!(ok(DocumentType::CnPassport, "E12345678"));
    assert!(ok(DocumentType::CnPassport, "EA1234567"));
    assert!(!ok(DocumentType::CnPassport, "EI1234567"));
    assert!(ok(DocumentType::Passport, "X1234567"));
    assert!(!ok(DocumentType::Passport, "X1-34567"));
    assert!(!ok(DocumentType::Passport, "字字字字字"));
    assert_eq!(crate::document_number::canonical(DocumentType::HkmPass, "H1234567801"), "H12345678");
    assert_eq!(crate::document_number::masked("110101199003070011"), "1101**********0011");
}

#[test]
fn r1_3_names_in_both_scripts() {
    assert_eq!(chinese_name("张三").as_deref(), Some("张三"));
    assert_eq!(chinese_name("阿卜杜热依木.买买提").as_deref(), Some("阿卜杜热依木·买买提"));
    assert_eq!(chinese_name("㛃𬭎").as_deref(), Some("㛃𬭎"));
    assert_eq!(chinese_name("丁").as_deref(), Some("丁"));
    assert_eq!(chinese_name("·张"), None);
    assert_eq!(chinese_name("ZHANG SAN"), None);
    assert_eq!(latin_name("DOE  JANE-ANN O’NEIL").as_deref(), Some("DOE JANE-ANN O'NEIL"));
    assert_eq!(latin_name("Doe Jane"), None);
    assert_eq!(latin_name("DOE 2"), None);
}

#[test]
fn r1_4_password_rule() {
    assert_eq!(password("sunny-42", &[]), Ok(()));
    assert_eq!(password("short1", &[]), Err(PasswordError::Length));
    assert_eq!(password("123456789012345678901a", &[]), Err(PasswordError::Length));
    assert_eq!(password("12345678", &[]), Err(PasswordError::NoLetter));
    assert_eq!(password("onlyletters", &[]), Err(PasswordError::NoDigit));
    assert_eq!(password("密码12345678a", &[]), Err(PasswordError::Characters));
    assert_eq!(password("abcd1234", &[]), Err(PasswordError::Guessable));
    assert_eq!(password("z13800138000", &["Z13800138000"]), Err(PasswordError::Guessable));
}

#[test]
fn r1_5_phone_and_mail() {
    for typed in ["13800138000", "+86 138-0013-8000", "0086 13800138000", "８６13800138000", "8613800138000"] {
        assert_eq!(mobile(typed).as_deref(), Some("13800138000"), "{typed}");
    }
    for typed in ["12800138000", "1380013800", "+852 91234567", "138001380001", "", "十三八"] {
        assert_eq!(mobile(typed), None, "{typed}");
    }
    assert_eq!(email(" Zhang.San@Example.COM ").as_deref(), Some("zhang.san@example.com"));
    for typed in ["a@b", "@example.com", "a b@example.com", "a@-x.com", "a..b@example.com", "a@example..com"] {
        assert_eq!(email(typed), None, "{typed}");
    }
    assert!(crate::person::email_may_not_arrive("1@qq.com"));
    assert!(!crate::person::email_may_not_arrive("1@example.com"));
}

#[test]
fn dates_as_people_write_them() {
    for typed in ["2019-06-30", "2019/6/30", "20190630", "2019年6月30日", "2019.06.30", "２０１９－０６－３０"]
    {
        assert_eq!(parse_date(typed), Some(day("2019-06-30")), "{typed}");
    }
    for typed in ["2019-02-30", "30/06/2019", "2019-6", "", "19-06-30", "2019-06-30-01"] {
        assert_eq!(parse_date(typed), None, "{typed}");
    }
    assert_eq!(parse_month("2019年6月"), Some(day("2019-06-01")));
    assert_eq!(parse_month("201906"), Some(day("2019-06-01")));
    assert_eq!(parse_month("2019-13"), None);
}

#[test]
fn r2_14_working_day_vectors() {
    let calendar = Calendar::embedded();
    for (start, days, result) in [
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-13", 15, "2026-03-12"),
        ("2026-01-01", 1, "2026-01-04"),
        ("2026-04-30", 20, "2026-06-01"),
        ("2026-09-24", 10, "2026-10-15"),
        ("2026-09-29", 15, "2026-10-26"),
        ("2025-09-26", 15, "2025-10-23"),
        ("2026-11-23", 20, "2026-12-21"),
    ] {
        let due = calendar.add(day(start), days);
        assert_eq!((due.date, due.provisional), (day(result), false), "{start} + {days}");
    }
    assert!(calendar.add(day("2026-12-20"), 15).provisional);
    assert_eq!(calendar.covered_until(), Some(2026));
}

#[test]
fn calendar_files_that_contradict_themselves_are_refused() {
    assert!(Calendar::parse("{}").is_err());
    let good = include_str!("../data/working-days.cn.json");
    assert!(Calendar::parse(&good.replace("2026-01-04", "2026-01-05")).is_err());
    assert!(Calendar::parse(&good.replace("2026-01-04", "2026-01-03")).is_err());
}

fn form(pairs: &[(&str, &str)]) -> crate::form::Raw {
    let base = [
        ("nationality", "CN"),
        ("name", "张三"),
        ("gender", "male"),
        ("document_type", "CN_ID"),
        ("document_number", "110101199003070011"),
        ("valid_from", "2020-01-01"),
        ("valid_to", "2040-01-01"),
        ("phone", "13800138000"),
        ("email", "zhang@example.com"),
        ("password", "sunny-day-42"),
        ("password_again", "sunny-day-42"),
        ("channel", "sms"),
    ];
    base.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn errors(pairs: &[(&str, &str)]) -> Vec<(String, &'static str)> {
    let errors = registration::check(&form(pairs), day(TODAY)).err().unwrap_or_default();
    errors.into_iter().map(|error| (error.field, error.code)).collect()
}

#[test]
fn r1_2_registration_checks_each_field_and_all_together() {
    assert!(registration::check(&form(&[]), day(TODAY)).is_ok());
    let one = |field: &str, code| vec![(field.to_owned(), code)];
    assert_eq!(errors(&[("name", "ZHANG SAN")]), one("name", "chinese"));
    assert_eq!(errors(&[("gender", "female")]), one("gender", "disagrees"));
    assert_eq!(errors(&[("document_number", "110101199003070012")]), one("document_number", "number-check"));
    assert_eq!(errors(&[("valid_to", "2026-11-23")]), one("valid_to", "expired"));
    assert_eq!(errors(&[("valid_to", "")]), one("valid_to", "missing"));
    assert_eq!(errors(&[("valid_to", ""), ("permanent", "yes")]), vec![]);
    assert_eq!(errors(&[("permanent", "yes")]), one("valid_to", "and-permanent"));
    assert_eq!(errors(&[("password_again", "sunny-day-43")]), one("password_again", "differs"));
    assert_eq!(errors(&[("document_type", "PASSPORT")]), one("document_type", "nationality"));
    let foreign = [("nationality", "GB"), ("document_type", "PASSPORT"), ("document_number", "X1234567")];
    assert_eq!(errors(&foreign), one("name", "latin"));
    assert_eq!(errors(&[foreign.as_slice(), &[("name", "DOE JANE")]].concat()), vec![]);
    assert_eq!(registration::check(&crate::form::Raw::new(), day(TODAY)).err().unwrap().len(), 12);
}

#[test]
fn r6_1_which_role_includes_which_act() {
    use crate::staff::{Act, Role};
    let table =
        |act: Act| -> Vec<&str> { Role::ALL.into_iter().filter(|role| act.is_of(*role)).map(Role::code).collect() };
    assert_eq!(table(Act::ViewCases), ["intake", "evaluator", "approver"]);
    assert_eq!(table(Act::Accept), ["intake"]);
    assert_eq!(table(Act::Propose), ["evaluator"]);
    assert_eq!(table(Act::Approve), ["approver"]);
    assert_eq!(table(Act::HandleMoney), ["finance"]);
    assert_eq!(table(Act::ViewMachinery), ["operator"]);
}

#[test]
fn totp_of_rfc_6238() {
    let secret = b"12345678901234567890";
    assert_eq!(crate::one_time::totp(secret, 59).as_deref(), Some("287082"));
    assert_eq!(crate::one_time::totp(secret, 1_111_111_109).as_deref(), Some("081804"));
    assert_eq!(crate::one_time::totp_step(secret, "287082", 59 + 30), Some(1));
    assert_eq!(crate::one_time::totp_step(secret, "287082", 59 + 90), None);
}
