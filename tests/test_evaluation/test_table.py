from handvit.evaluation.table import format_table, format_value, rows_by_data_set, table_columns


def test_table_is_aligned_and_marks_what_is_missing():
    text = format_table(
        {
            "constant": {"num_hands": 21.0, "mpjpe_cam": 101.237},
            "stage1": {"mpjpe_cam": 9.5, "pa_mpjpe": 4.0, "num_hands": 21.0},
        }
    )
    assert text.splitlines() == [
        "          mpjpe_cam  pa_mpjpe  num_hands",
        "constant     101.24         -         21",
        "stage1         9.50      4.00         21",
    ]


def test_unknown_metrics_follow_the_known_ones():
    rows = {"a": {"zeta": 1.0, "root_error": 2.0}, "b": {"alpha": 3.0, "mpjpe_cam": 1.0}}
    assert table_columns(rows) == ["mpjpe_cam", "root_error", "zeta", "alpha"]


def test_values_by_kind():
    assert format_value("auc_cam", 0.98765) == "0.988"
    assert format_value("num_hands", 1200.0) == "1200"
    assert format_value("accel_error", 1.0) == "1.00"
    assert format_value("mpjpe_cam", None) == "-"


def test_data_sets_have_rows_of_their_own():
    metrics = {"mpjpe_cam": 2.0, "num_hands": 3.0, "dexycb/mpjpe_cam": 1.0, "dexycb/num_hands": 2.0}
    assert rows_by_data_set("all", metrics) == {
        "all": {"mpjpe_cam": 2.0, "num_hands": 3.0},
        "dexycb": {"mpjpe_cam": 1.0, "num_hands": 2.0},
    }
