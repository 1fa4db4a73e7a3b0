"""Codes and names that values are looked up in: ISO 3166-1 countries and ISO 639-1 languages, name lists."""

from __future__ import annotations

__all__ = [
    "COUNTRY_CODES",
    "COUNTRY_NAMES",
    "FIRST_NAMES",
    "LANGUAGE_CODES",
    "LANGUAGE_NAMES",
    "MAJOR_CURRENCIES",
    "SPOKEN_LANGUAGES",
    "SURNAMES",
    "US_STATES",
]

_COUNTRIES = """
AD AND Andorra;AE ARE United Arab Emirates|UAE;AF AFG Afghanistan;AG ATG Antigua and Barbuda
AI AIA Anguilla;AL ALB Albania;AM ARM Armenia;AO AGO Angola;AQ ATA Antarctica;AR ARG Argentina
AS ASM American Samoa;AT AUT Austria|Österreich;AU AUS Australia;AW ABW Aruba;AX ALA Åland Islands
AZ AZE Azerbaijan;BA BIH Bosnia and Herzegovina|Bosnia;BB BRB Barbados;BD BGD Bangladesh
BE BEL Belgium|België|Belgique|Belgien;BF BFA Burkina Faso;BG BGR Bulgaria;BH BHR Bahrain;BI BDI Burundi
BJ BEN Benin;BL BLM Saint Barthélemy;BM BMU Bermuda;BN BRN Brunei|Brunei Darussalam
BO BOL Bolivia|Bolivia, Plurinational State of;BQ BES Bonaire, Sint Eustatius and Saba
BR BRA Brazil|Brasil|Brasilien;BS BHS Bahamas|The Bahamas;BT BTN Bhutan;BV BVT Bouvet Island
BW BWA Botswana;BY BLR Belarus;BZ BLZ Belize;CA CAN Canada|Kanada;CC CCK Cocos (Keeling) Islands
CD COD Democratic Republic of the Congo|Congo, Democratic Republic of the|DR Congo
CF CAF Central African Republic;CG COG Congo|Republic of the Congo
CH CHE Switzerland|Schweiz|Suisse|Svizzera|Zwitserland;CI CIV Côte d'Ivoire|Ivory Coast
CK COK Cook Islands;CL CHL Chile;CM CMR Cameroon;CN CHN China|People's Republic of China;CO COL Colombia
CR CRI Costa Rica;CU CUB Cuba;CV CPV Cabo Verde|Cape Verde;CW CUW Curaçao;CX CXR Christmas Island
CY CYP Cyprus;CZ CZE Czechia|Czech Republic|Česko;DE DEU Germany|Deutschland|Allemagne|Duitsland|Alemania
DJ DJI Djibouti;DK DNK Denmark|Danmark|Dänemark;DM DMA Dominica;DO DOM Dominican Republic;DZ DZA Algeria
EC ECU Ecuador;EE EST Estonia|Eesti;EG EGY Egypt;EH ESH Western Sahara;ER ERI Eritrea
ES ESP Spain|España|Spanien|Espagne|Spanje;ET ETH Ethiopia;FI FIN Finland|Suomi|Finnland;FJ FJI Fiji
FK FLK Falkland Islands;FM FSM Micronesia|Micronesia, Federated States of;FO FRO Faroe Islands
FR FRA France|Frankreich|Frankrijk|Francia;GA GAB Gabon
GB GBR United Kingdom|Great Britain|UK|United Kingdom of Great Britain and Northern Ireland
GB GBR England|Scotland|Wales|Northern Ireland|Vereinigtes Königreich|Royaume-Uni|Verenigd Koninkrijk
GD GRD Grenada;GE GEO Georgia;GF GUF French Guiana;GG GGY Guernsey;GH GHA Ghana;GI GIB Gibraltar
GL GRL Greenland;GM GMB Gambia|The Gambia;GN GIN Guinea;GP GLP Guadeloupe;GQ GNQ Equatorial Guinea
GR GRC Greece|Griechenland|Griekenland;GS SGS South Georgia and the South Sandwich Islands
GT GTM Guatemala;GU GUM Guam;GW GNB Guinea-Bissau;GY GUY Guyana;HK HKG Hong Kong
HM HMD Heard Island and McDonald Islands;HN HND Honduras;HR HRV Croatia|Hrvatska|Kroatien;HT HTI Haiti
HU HUN Hungary|Magyarország|Ungarn;ID IDN Indonesia;IE IRL Ireland|Irland|Ierland;IL ISR Israel
IM IMN Isle of Man;IN IND India;IO IOT British Indian Ocean Territory;IQ IRQ Iraq
IR IRN Iran|Iran, Islamic Republic of;IS ISL Iceland;IT ITA Italy|Italia|Italien|Italië|Italie
JE JEY Jersey;JM JAM Jamaica;JO JOR Jordan;JP JPN Japan|日本;KE KEN Kenya;KG KGZ Kyrgyzstan;KH KHM Cambodia
KI KIR Kiribati;KM COM Comoros;KN KNA Saint Kitts and Nevis
KP PRK North Korea|Korea, Democratic People's Republic of;KR KOR South Korea|Korea, Republic of|Korea
KW KWT Kuwait;KY CYM Cayman Islands;KZ KAZ Kazakhstan;LA LAO Laos|Lao People's Democratic Republic
LB LBN Lebanon;LC LCA Saint Lucia;LI LIE Liechtenstein;LK LKA Sri Lanka;LR LBR Liberia;LS LSO Lesotho
LT LTU Lithuania|Lietuva;LU LUX Luxembourg|Luxemburg;LV LVA Latvia|Latvija;LY LBY Libya
MA MAR Morocco|Maroc;MC MCO Monaco;MD MDA Moldova|Moldova, Republic of;ME MNE Montenegro
MF MAF Saint Martin;MG MDG Madagascar;MH MHL Marshall Islands;MK MKD North Macedonia|Macedonia;ML MLI Mali
MM MMR Myanmar|Burma;MN MNG Mongolia;MO MAC Macao|Macau;MP MNP Northern Mariana Islands;MQ MTQ Martinique
MR MRT Mauritania;MS MSR Montserrat;MT MLT Malta;MU MUS Mauritius;MV MDV Maldives;MW MWI Malawi
MX MEX Mexico|México|Mexiko;MY MYS Malaysia;MZ MOZ Mozambique;NA NAM Namibia;NC NCL New Caledonia
NE NER Niger;NF NFK Norfolk Island;NG NGA Nigeria;NI NIC Nicaragua
NL NLD Netherlands|The Netherlands|Nederland|Niederlande|Pays-Bas|Holland
NO NOR Norway|Norge|Norwegen|Noorwegen;NP NPL Nepal;NR NRU Nauru;NU NIU Niue;NZ NZL New Zealand
OM OMN Oman;PA PAN Panama;PE PER Peru|Perú;PF PYF French Polynesia;PG PNG Papua New Guinea
PH PHL Philippines|The Philippines;PK PAK Pakistan;PL POL Poland|Polska|Polen|Pologne
PM SPM Saint Pierre and Miquelon;PN PCN Pitcairn;PR PRI Puerto Rico;PS PSE Palestine|Palestine, State of
PT PRT Portugal;PW PLW Palau;PY PRY Paraguay;QA QAT Qatar;RE REU Réunion|Reunion
RO ROU Romania|România|Rumänien;RS SRB Serbia|Srbija;RU RUS Russia|Russian Federation|Россия;RW RWA Rwanda
SA SAU Saudi Arabia;SB SLB Solomon Islands;SC SYC Seychelles;SD SDN Sudan
SE SWE Sweden|Sverige|Schweden|Zweden;SG SGP Singapore;SH SHN Saint Helena;SI SVN Slovenia|Slovenija
SJ SJM Svalbard and Jan Mayen;SK SVK Slovakia|Slovensko|Slowakei;SL SLE Sierra Leone;SM SMR San Marino
SN SEN Senegal;SO SOM Somalia;SR SUR Suriname;SS SSD South Sudan;ST STP Sao Tome and Principe
SV SLV El Salvador;SX SXM Sint Maarten;SY SYR Syria|Syrian Arab Republic;SZ SWZ Eswatini|Swaziland
TC TCA Turks and Caicos Islands;TD TCD Chad;TF ATF French Southern Territories;TG TGO Togo;TH THA Thailand
TJ TJK Tajikistan;TK TKL Tokelau;TL TLS Timor-Leste|East Timor;TM TKM Turkmenistan;TN TUN Tunisia
TO TON Tonga;TR TUR Turkey|Türkiye|Türkei;TT TTO Trinidad and Tobago;TV TUV Tuvalu
TW TWN Taiwan|Taiwan, Province of China;TZ TZA Tanzania|Tanzania, United Republic of
UA UKR Ukraine|Україна;UG UGA Uganda;UM UMI United States Minor Outlying Islands
US USA United States|United States of America|U.S.A.|USA
US USA Vereinigte Staaten|États-Unis|Estados Unidos|Verenigde Staten
UY URY Uruguay;UZ UZB Uzbekistan;VA VAT Vatican City|Holy See;VC VCT Saint Vincent and the Grenadines
VE VEN Venezuela|Venezuela, Bolivarian Republic of;VG VGB British Virgin Islands
VI VIR U.S. Virgin Islands;VN VNM Vietnam|Viet Nam;VU VUT Vanuatu;WF WLF Wallis and Futuna;WS WSM Samoa
YE YEM Yemen;YT MYT Mayotte;ZA ZAF South Africa|Südafrika;ZM ZMB Zambia;ZW ZWE Zimbabwe
"""
"""ISO 3166-1: alpha-2, alpha-3, the short name in English and other names that are met."""

_LANGUAGES = """
aa Afar;ab Abkhazian;ae Avestan;af Afrikaans;ak Akan;am Amharic;an Aragonese;ar Arabic;as Assamese
av Avaric;ay Aymara;az Azerbaijani;ba Bashkir;be Belarusian;bg Bulgarian;bh Bihari;bi Bislama;bm Bambara
bn Bengali|Bangla;bo Tibetan;br Breton;bs Bosnian;ca Catalan|Català;ce Chechen;ch Chamorro;co Corsican
cr Cree;cs Czech|Čeština;cu Church Slavic;cv Chuvash;cy Welsh;da Danish|Dansk
de German|Deutsch|Allemand|Duits;dv Divehi;dz Dzongkha;ee Ewe;el Greek
en English|Englisch|Anglais|Engels|Inglés;eo Esperanto
es Spanish|Español|Castilian|Spanisch|Espagnol|Spaans;et Estonian;eu Basque;fa Persian|Farsi;ff Fulah
fi Finnish|Suomi;fj Fijian;fo Faroese;fr French|Français|Französisch|Frans|Francés
fy Western Frisian|Frisian;ga Irish;gd Gaelic|Scottish Gaelic;gl Galician;gn Guarani;gu Gujarati;gv Manx
ha Hausa;he Hebrew;hi Hindi;ho Hiri Motu;hr Croatian|Hrvatski;ht Haitian|Haitian Creole
hu Hungarian|Magyar;hy Armenian;hz Herero;ia Interlingua;id Indonesian;ie Interlingue;ig Igbo
ii Sichuan Yi;ik Inupiaq;io Ido;is Icelandic;it Italian|Italiano|Italienisch|Italien|Italiaans
iu Inuktitut;ja Japanese|日本語;jv Javanese;ka Georgian;kg Kongo;ki Kikuyu;kj Kuanyama;kk Kazakh
kl Kalaallisut;km Khmer;kn Kannada;ko Korean|한국어;kr Kanuri;ks Kashmiri;ku Kurdish;kv Komi;kw Cornish
ky Kyrgyz;la Latin;lb Luxembourgish;lg Ganda;li Limburgish;ln Lingala;lo Lao;lt Lithuanian;lu Luba-Katanga
lv Latvian;mg Malagasy;mh Marshallese;mi Maori;mk Macedonian;ml Malayalam;mn Mongolian;mr Marathi;ms Malay
mt Maltese;my Burmese;na Nauru;nb Norwegian Bokmål;nd North Ndebele;ne Nepali;ng Ndonga
nl Dutch|Nederlands|Niederländisch|Flemish|Néerlandais;nn Norwegian Nynorsk;no Norwegian|Norsk
nr South Ndebele;nv Navajo;ny Chichewa;oc Occitan;oj Ojibwa;om Oromo;or Odia|Oriya;os Ossetian;pa Punjabi
pi Pali;pl Polish|Polski|Polnisch|Pools;ps Pashto;pt Portuguese|Português|Portugiesisch;qu Quechua
rm Romansh;rn Rundi;ro Romanian|Română;ru Russian|Русский|Russisch;rw Kinyarwanda;sa Sanskrit;sc Sardinian
sd Sindhi;se Northern Sami;sg Sango;si Sinhala;sk Slovak|Slovenčina;sl Slovenian;sm Samoan;sn Shona
so Somali;sq Albanian;sr Serbian|Srpski;ss Swati;st Southern Sotho;su Sundanese;sv Swedish|Svenska
sw Swahili;ta Tamil;te Telugu;tg Tajik;th Thai;ti Tigrinya;tk Turkmen;tl Tagalog|Filipino;tn Tswana
to Tonga;tr Turkish|Türkçe;ts Tsonga;tt Tatar;tw Twi;ty Tahitian;ug Uyghur;uk Ukrainian|Українська;ur Urdu
uz Uzbek;ve Venda;vi Vietnamese;vo Volapük;wa Walloon;wo Wolof;xh Xhosa;yi Yiddish;yo Yoruba;za Zhuang
zh Chinese|中文|Mandarin|Cantonese;zu Zulu
"""
"""ISO 639-1: the code, its English name and other names that are met."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _rows(text: str) -> list[str]:
    return [row for row in text.strip().replace("\n", ";").split(";") if row]


_COUNTRY_ROWS = [row.split(" ", 2) for row in _rows(_COUNTRIES)]
COUNTRY_CODES = tuple(dict.fromkeys(code for row in _COUNTRY_ROWS for code in row[:2]))
"""ISO 3166-1 alpha-2 and alpha-3."""
COUNTRY_NAMES = tuple(sorted({name.casefold() for row in _COUNTRY_ROWS for name in row[2].split("|")}))
"""In lower case."""
LANGUAGE_CODES = tuple(row.split(" ", 1)[0] for row in _rows(_LANGUAGES))
LANGUAGE_NAMES = tuple(
    sorted({name.casefold() for row in _rows(_LANGUAGES) for name in row.split(" ", 1)[1].split("|")})
)
"""In lower case."""

FIRST_NAMES = _words(
    """aaron adam adrian agnieszka ahmed aisha alan albert alejandro alessandro alex alexander alexandra
    ali alice alicia amanda amelia amina amir amy ana anders andrea andreas andrew andrzej angela anita
    anke anna anne annika anthony antoine antonio anton arjun arthur astrid ayse barbara bart beatriz
    ben benjamin bernd bjorn brian bruno camille carla carlos carmen carol caroline catherine charles
    charlotte chiara chloe chris christian christina christine christopher clara claire claudia daan
    daniel daniela david deborah dennis diana diego dieter dirk donald dorothy edward elena elisabeth
    elizabeth ella elsa emil emily emma eric erik esther eva evelyn fatima felix femke fernando florian
    francesca francesco francisco frank franziska frans freja frederik gabriel gary george georg gerard
    giovanni giulia giuseppe grace greta gunther hanna hannah hans harry hassan heidi helen helena helga
    hendrik henri henrik henry hugo ian ibrahim ines ingrid irene isabel isabella jack jacob jakob james
    jan jana jane janet jason javier jean jeffrey jennifer jens jeroen jessica jesus jin joao johan
    johann johanna john jonas jonathan jorge jose josef joseph joshua juan julia julian julie juliette
    jurgen karen karin karl katarzyna kate katharina katherine kathleen katja kees keiko kenneth kevin
    kim klaus krzysztof lara lars laura lea lena leon leonardo leonie lieke lies linda lisa lotte louis
    louise luca lucas lucia lucy luis luisa lukas magdalena magnus manuel marco marcus margaret maria
    marie marijke mario mark markus marta martha martin mary mateo matteo matthew matthias maximilian
    mehmet mei melissa mia michael michal michele michelle miguel mike mila mohamed mohammed monika
    muhammad nadia nancy natalia natalie nathalie nicholas nicolas nicole niels nils nina noah nora olaf
    olga oliver olivia omar oscar pablo pamela paola pascal patricia patrick paul paula pedro peter
    petra philip philipp philippe pierre pieter piotr priya rachel rafael rahul ralf raquel raymond
    rebecca ricardo richard robert roberto ronald rosa ruben ruth ryan samantha samuel sandra sanne sara
    sarah scott sebastian sergio sharon silvia simon simone sofia sofie sophia sophie stefan stefania
    stephanie stephen steven susan susanne sven sylvia takashi tanja teresa theo theresa thomas tim
    timothy tobias tom tomas tomasz ulrich ulrike ursula valentina vera veronica victor victoria vincent
    viktor walter wei werner willem william wolfgang xavier yan yasmin yuki yusuf zoe"""
)
"""Common first names in Europe, the Americas and Asia, in lower case and without accents."""

SURNAMES = _words(
    """ahmed anderson andersson bakker becker bernard bianchi braun brown clark costa davis dejong devries
    dubois durand fernandez ferrari fischer garcia gonzalez hansen harris hernandez hoffmann jackson
    jansen jansson johansson johnson jones kaya keller khan kim klein kowalski kumar lambert larsen
    larsson lee lefebvre lewis li lopez martinez meyer mitchell moore moreau muller murphy nguyen
    nielsen nilsson nowak olsen olsson patel pedersen perez petersen peterson petrov pereira ramirez
    richter rivera roberts robinson rodriguez romano rossi russo sanchez santos schmidt schneider
    schroder schulz schwarz silva simon singh smit smith sorensen suzuki tanaka taylor thompson torres
    visser wagner walker wang weber williams wilson wolf wright yamamoto yilmaz zhang zimmermann"""
)
"""Common surnames, in lower case, without accents and blanks."""

MAJOR_CURRENCIES = _words("USD EUR GBP JPY CHF AUD CAD CNY SEK NOK DKK PLN INR BRL MXN")
"""A column of currencies holds one of them."""
SPOKEN_LANGUAGES = _words("en de fr es zh pt ru ja it nl")
"""A column of languages holds two of them."""
US_STATES = _words(
    """AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND
    OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC"""
)
"""Codes of the states of the USA, of which half are codes of countries too."""
