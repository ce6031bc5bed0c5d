from handvit.visualization.comparison_report import best_row, comparison_report

PNG = b"\x89PNG\r\n\x1a\nrest"
RESULT = {
    "rows": {
        "constant": {"mpjpe_cam": 80.0, "auc_cam": 0.1, "num_hands": 3.0},
        "stage1": {"mpjpe_cam": 20.0, "auc_cam": 0.6, "num_hands": 3.0, "mpvpe_cam": 21.0},
    },
    "hand_model": "openhand:0123",
    "num_hands": 3,
    "num_hands_in_data": 4,
    "settings": {"data": "data/toy"},
    "predictions": {"stage1": {"config": "c.py"}},
    "constant_predictor": {"prior_k": 0.12},
    "one_euro": {"used": False},
}


def test_best_rows():
    assert best_row(RESULT["rows"], "mpjpe_cam") == "stage1"
    assert best_row(RESULT["rows"], "auc_cam") == "stage1"
    assert best_row(RESULT["rows"], "mpvpe_cam") is None
    assert best_row(RESULT["rows"], "num_hands") is None


def test_the_page_explains_itself():
    html = comparison_report(
        RESULT, depth_plot=PNG, training_plot=PNG, overlays={"toy/s/c/0/right": PNG}
    ).to_html()
    assert html.count("<img ") == 3
    for text in ("3 hands of 4", "openhand:0123", "20.00", "Training", "toy/s/c/0/right", "0.12"):
        assert text in html
    assert html.count('class="best"') == 2


def test_sections_without_content_are_left_out():
    html = comparison_report(RESULT, depth_plot=PNG, training_plot=None, overlays={}).to_html()
    assert "<h2>Training</h2>" not in html and "<h2>Hands</h2>" not in html
