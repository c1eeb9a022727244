//! The tables, as the migrations make them.

diesel::table! {
    applicant (id) {
        id -> Text,
        version -> BigInt,
        user_name -> Text,
        document_key -> Text,
        phone_key -> Text,
        email_key -> Text,
        password_hash -> Text,
        body -> Binary,
        name_key -> Nullable<Text>,
    }
}

diesel::table! {
    application (id) {
        id -> Text,
        applicant_id -> Text,
        number -> Nullable<Text>,
        stage -> Text,
        kind -> Nullable<Text>,
        country -> Nullable<Text>,
        since_at -> Timestamp,
        body -> Binary,
        look_at -> Nullable<Timestamp>,
        claimed_by -> Nullable<Text>,
        due_on -> Nullable<Date>,
        paper_key -> Nullable<Text>,
    }
}

diesel::table! {
    verification (id) {
        id -> Text,
        application_id -> Text,
        applicant_id -> Text,
        look_at -> Nullable<Timestamp>,
        body -> Binary,
    }
}

diesel::table! {
    material (id) {
        id -> Text,
        application_id -> Text,
        applicant_id -> Text,
        state -> Text,
        due_at -> Nullable<Timestamp>,
        crashes -> Integer,
        body -> Binary,
    }
}

diesel::table! {
    attempt (id) {
        id -> Text,
        application_id -> Text,
        applicant_id -> Text,
        order_id -> Text,
        state -> Text,
        query_at -> Nullable<Timestamp>,
        notified_at -> Nullable<Timestamp>,
        body -> Text,
    }
}

diesel::table! {
    certificate (id) {
        id -> Text,
        application_id -> Text,
        applicant_id -> Text,
        number -> Text,
        token -> Text,
        name_key -> Text,
        due_at -> Nullable<Timestamp>,
        crashes -> Integer,
        body -> Text,
        standing -> Text,
        document -> Nullable<Text>,
    }
}

diesel::table! {
    log_entry (seq) {
        seq -> BigInt,
        hash -> Text,
        kind -> Text,
        certificate_id -> Text,
        body -> Text,
    }
}

diesel::table! {
    log_node (level, place) {
        level -> Integer,
        place -> BigInt,
        hash -> Text,
    }
}

diesel::table! {
    log_head (size) {
        size -> BigInt,
        at -> Timestamp,
        root -> Text,
        signature -> Text,
    }
}

diesel::table! {
    share (id) {
        id -> Text,
        token_hash -> Text,
        applicant_id -> Text,
        certificate_id -> Text,
        body -> Binary,
        made_at -> Timestamp,
        expires_at -> Timestamp,
        ended_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    share_look (id) {
        id -> Text,
        share_id -> Text,
        at -> Timestamp,
        body -> Binary,
    }
}

diesel::table! {
    timeline (id) {
        id -> Text,
        application_id -> Text,
        at -> Timestamp,
        kind -> Text,
        by_whom -> Text,
        detail -> Text,
    }
}

diesel::table! {
    notice (id) {
        id -> Text,
        applicant_id -> Nullable<Text>,
        channel -> Text,
        kind -> Text,
        language -> Text,
        state -> Text,
        due_at -> Nullable<Timestamp>,
        tries -> Integer,
        answer -> Text,
        body -> Nullable<Binary>,
        remote -> Nullable<Text>,
        sent_at -> Nullable<Timestamp>,
        look_at -> Nullable<Timestamp>,
        to_key -> Nullable<Text>,
    }
}

diesel::table! {
    material_table (version) {
        version -> BigInt,
        made_at -> Timestamp,
        made_by -> Text,
        body -> Text,
    }
}

diesel::table! {
    supervision_event (id) {
        id -> Text,
        at -> Timestamp,
        kind -> Text,
        child -> Text,
        epoch -> BigInt,
        detail -> Text,
        backoff_ms -> BigInt,
        task -> Text,
        by_whom -> Text,
    }
}

diesel::table! {
    trouble (task) {
        task -> Text,
        child -> Text,
        state -> Text,
        crashes -> Integer,
        failure -> Text,
        at -> Timestamp,
        seen -> Text,
    }
}

diesel::table! {
    setting (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    past (application_id, version) {
        application_id -> Text,
        version -> BigInt,
        at -> Timestamp,
        body -> Binary,
    }
}

diesel::table! {
    gateway_message (id) {
        id -> Text,
        order_id -> Text,
        at -> Timestamp,
        verified -> Bool,
        raw -> Text,
    }
}

diesel::table! {
    movement (key) {
        key -> Text,
        application_id -> Text,
        at -> Timestamp,
        from_account -> Text,
        to_account -> Text,
        amount -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> Text,
        at -> Timestamp,
        by_whom -> Text,
        act -> Text,
        subject -> Text,
        seq -> Nullable<BigInt>,
        hash -> Nullable<Text>,
    }
}

diesel::table! {
    registration (id) {
        id -> Text,
        expires_at -> Timestamp,
        body -> Binary,
    }
}

diesel::table! {
    code (id) {
        id -> Text,
        purpose -> Text,
        address_key -> Text,
        network -> Text,
        created_at -> Timestamp,
        code_hash -> Text,
        tries -> Integer,
        used -> Bool,
    }
}

diesel::table! {
    tries (id) {
        id -> Text,
        who -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    session (token_hash) {
        token_hash -> Text,
        realm -> Text,
        holder -> Text,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        confirmed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    invitation (token_hash) {
        token_hash -> Text,
        user_name -> Text,
        name -> Text,
        roles -> Text,
        expires_at -> Timestamp,
        totp -> Binary,
    }
}

diesel::table! {
    recovery_code (code_hash) {
        code_hash -> Text,
        staff_id -> Text,
    }
}

diesel::table! {
    staff (id) {
        id -> Text,
        user_name -> Text,
        name -> Text,
        roles -> Text,
        password_hash -> Text,
        last_step -> BigInt,
        totp -> Binary,
        left_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    counter (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    refund (id) {
        id -> Text,
        application_id -> Text,
        applicant_id -> Text,
        attempt_id -> Text,
        order_id -> Nullable<Text>,
        state -> Text,
        asked_at -> Timestamp,
        look_at -> Nullable<Timestamp>,
        body -> Binary,
        batch_id -> Nullable<Text>,
        by_bank -> Bool,
    }
}

diesel::table! {
    transfer_batch (id) {
        id -> Text,
        made_at -> Timestamp,
        made_by -> Text,
        file -> Nullable<Binary>,
        hash -> Nullable<Text>,
        released_at -> Nullable<Timestamp>,
        released_by -> Nullable<Text>,
        dissolved_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    clearing_day (day) {
        day -> Date,
        fetched_at -> Timestamp,
        lines -> Integer,
        matched -> Integer,
    }
}

diesel::table! {
    cleared (movement_key) {
        movement_key -> Text,
        day -> Date,
    }
}

diesel::table! {
    discrepancy (id) {
        id -> Text,
        day -> Date,
        kind -> Text,
        order_id -> Text,
        here -> Nullable<BigInt>,
        there -> Nullable<BigInt>,
        opened_at -> Timestamp,
        owner -> Nullable<Text>,
        proposed_by -> Nullable<Text>,
        resolution -> Nullable<Text>,
        confirmed_by -> Nullable<Text>,
        resolved_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    phone (token_hash) {
        token_hash -> Text,
        applicant_id -> Text,
        application_id -> Text,
        slot -> Text,
        expires_at -> Timestamp,
        opened_by -> Nullable<Text>,
    }
}

diesel::table! {
    programme (id) {
        id -> Text,
        approval -> Text,
        name -> Text,
        level -> Text,
        retired_at -> Nullable<Timestamp>,
        body -> Text,
    }
}

diesel::table! {
    programme_gram (gram, programme_id) {
        gram -> Text,
        programme_id -> Text,
    }
}

diesel::table! {
    student (id) {
        id -> Text,
        document_key -> Text,
        programme_id -> Text,
        retired_at -> Nullable<Timestamp>,
        body -> Binary,
    }
}

diesel::table! {
    import_file (id) {
        id -> Text,
        made_at -> Timestamp,
        made_by -> Text,
        body -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    application,
    applicant,
    certificate,
    cleared,
    log_entry,
    material,
    attempt,
    movement,
    programme,
    programme_gram,
    refund,
    session,
    share,
    student,
    timeline,
    transfer_batch,
    verification
);
