//! Invented people: names, numbers with right check digits, and what the gateways say of them.

/// What the gateways say of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plays {
    /// Everything goes well.
    Well,
    /// Name and number do not belong together.
    Mismatch,
    /// No such document.
    NotFound,
    /// Everything goes well, but there are no entry–exit records.
    NoRecords,
    /// The identity service does not know this kind of document.
    Unsupported,
}

/// One person, obviously invented.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// Real name.
    pub name: &'static str,
    /// Alpha-2 code.
    pub nationality: &'static str,
    /// `male` or `female`.
    pub gender: &'static str,
    /// Code of the document type.
    pub document: &'static str,
    /// Its number.
    pub number: &'static str,
    /// Mobile number.
    pub phone: &'static str,
    /// E-mail address.
    pub email: &'static str,
    /// How it goes.
    pub plays: Plays,
}

/// All of them.
pub const PEOPLE: [Person; 11] = [
    Person {
        name: "样张三",
        nationality: "CN",
        gender: "male",
        document: "CN_ID",
        number: "110101199003070011",
        phone: "13800138000",
        email: "yang.zhangsan@example.com",
        plays: Plays::Well,
    },
    Person {
        name: "例李四",
        nationality: "CN",
        gender: "female",
        document: "CN_ID",
        number: "310101200002290023",
        phone: "13800138001",
        email: "li.lisi@example.com",
        plays: Plays::Well,
    },
    Person {
        name: "试㛃𬭎",
        nationality: "CN",
        gender: "female",
        document: "CN_ID",
        number: "11010519491231002X",
        phone: "13800138002",
        email: "shi.rare@example.com",
        plays: Plays::NoRecords,
    },
    // A name with a character that no font of ours has.
    Person {
        name: "样\u{20BB7}",
        nationality: "CN",
        gender: "male",
        document: "CN_ID",
        number: "110101199003070134",
        phone: "13800138013",
        email: "yang.unprintable@example.com",
        plays: Plays::Well,
    },
    Person {
        name: "样本·阿卜杜热依木·买买提",
        nationality: "CN",
        gender: "male",
        document: "CN_PASSPORT",
        number: "E12345678",
        phone: "13800138003",
        email: "yangben.long@example.com",
        plays: Plays::Well,
    },
    Person {
        name: "例陈港",
        nationality: "HK",
        gender: "female",
        document: "HKM_PASS",
        number: "H12345678",
        phone: "13800138004",
        email: "li.chen@example.com",
        plays: Plays::Well,
    },
    Person {
        name: "样林台",
        nationality: "TW",
        gender: "male",
        document: "TW_PASS",
        number: "12345678",
        phone: "13800138005",
        email: "yang.lin@example.com",
        plays: Plays::NoRecords,
    },
    Person {
        name: "SAMPLE JANE",
        nationality: "GB",
        gender: "female",
        document: "PASSPORT",
        number: "X1234567",
        phone: "13800138006",
        email: "jane.sample@example.com",
        plays: Plays::Unsupported,
    },
    Person {
        name: "EXAMPLE OMAR",
        nationality: "SA",
        gender: "male",
        document: "FPR_NEW",
        number: "932682198501010017",
        phone: "13800138007",
        email: "omar.example@example.com",
        plays: Plays::Well,
    },
    Person {
        name: "误不符",
        nationality: "CN",
        gender: "male",
        document: "CN_ID",
        number: "110101198501010017",
        phone: "13800138008",
        email: "wu@example.com",
        plays: Plays::Mismatch,
    },
    Person {
        name: "误查无",
        nationality: "CN",
        gender: "male",
        document: "CN_ID",
        number: "110101198502020014",
        phone: "13800138009",
        email: "none@example.com",
        plays: Plays::NotFound,
    },
];

/// What the gateways say of whoever holds this number; strangers go well, so that anybody can be invented.
pub fn plays(number: &str) -> Plays {
    PEOPLE.iter().find(|person| person.number == number).map_or(Plays::Well, |person| person.plays)
}

/// Whether the number belongs to an invented person of another name.
pub fn is_other(number: &str, name: &str) -> bool {
    PEOPLE.iter().any(|person| person.number == number && person.name != name)
}
