"""Statements of a bank: what is read, and what is refused with its place."""

from datetime import date

import pytest

from handsel.money.payments.reconciliation.bank_file import BankFileInvalid, BankLine, read

HEAD = "id,date,reference,amount,currency\n"
CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Ntry><Amt Ccy="EUR">250.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><Dt>2026-03-02</Dt></BookgDt>
<AcctSvcrRef>B1</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>po_1</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="JPY">300</Amt><CdtDbtInd>DBIT</CdtDbtInd><BookgDt><Dt>2026-03-03</Dt></BookgDt>
<AcctSvcrRef>B2</AcctSvcrRef></Ntry>
</Stmt></BkToCstmrStmt></Document>"""


def test_camt_053_is_read() -> None:
    assert read(CAMT.encode()) == [
        BankLine("B1", "po_1", 25000, "EUR", date(2026, 3, 2)),
        BankLine("B2", "B2", -300, "JPY", date(2026, 3, 3)),
    ]


def test_csv_is_read_in_the_minor_unit_of_each_currency() -> None:
    text = HEAD + "B1,2026-03-02,po_1,250.5,EUR\nB2,2026-03-03,,-1.234,KWD\n"

    assert read(text.encode("utf-8-sig")) == [
        BankLine("B1", "po_1", 25050, "EUR", date(2026, 3, 2)),
        BankLine("B2", "", -1234, "KWD", date(2026, 3, 3)),
    ]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"id,date\n", "columns reference, amount, currency"),
        (b"\xff\xfe", "not UTF-8"),
        ((HEAD + "B1,2026-03-02,x,1.001,EUR\n").encode(), "line 2: '1.001' is no amount in EUR"),
        ((HEAD + "B1,2026-03-02,x,ten,EUR\n").encode(), "line 2: 'ten' is no amount"),
        ((HEAD + "B1,2026-03-02,x,NaN,EUR\n").encode(), "line 2: 'NaN' is no amount"),
        ((HEAD + "B1,02.03.2026,x,1,EUR\n").encode(), "line 2: '02.03.2026' is no date"),
        ((HEAD + "B1,2026-03-02,x,1,EURO\n").encode(), "'EURO' is no currency"),
        ((HEAD + ",2026-03-02,x,1,EUR\n").encode(), "line 2: a line needs the bank's own id"),
        (b"<Document>", "not XML"),
        (b"<Document><Ntry/></Document>", "entry 1: there is no amount"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Document/>', "document type"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(raw: bytes, said: str) -> None:
    with pytest.raises(BankFileInvalid, match=said.replace("(", r"\(")):
        read(raw)
