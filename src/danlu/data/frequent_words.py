"""The most frequent words of languages, and the letters that mark them.

Articles, pronouns, prepositions and auxiliaries, written down by hand. English has a longer list,
so that sentences of two or three words are found. Languages that are not NAMED are here so that
they are not taken for one that is.
"""

from __future__ import annotations

LATIN = {
    "en": """
        the of and to a in is was that it for on as with he his by at from are be this which or an
        but not have had were their has they its one been you i she her we all would there when who
        will more if out so said what up about into than them can only other new some could time
        these two may then do first any my now such like our over me even most after also did many
        before must through where much your should him us how down very here just because does don't
        didn't doesn't isn't aren't wasn't weren't won't can't couldn't wouldn't shouldn't haven't
        hasn't i'm i'll i've i'd you're you'll you've he's she's it's that's what's there's let's
        we're we'll they're who's where's how's am get got go going went gone come came take took
        taken make made know knew known think thought see saw seen want wanted need needs tell told
        ask asked say says look looked find found give gave given let keep leave left feel felt put
        try tried work works call called please never always often again still too well really
        already yet ever something anything nothing everything everyone someone nobody those every
        each both few own same another why while until without between against during under away
        back off around man men woman people year years day days today yesterday tomorrow night
        morning good bad great little big long old young right wrong last next many money house home
        school book water car dog friend friends love like likes liked help wait stop run read
        write sit stand open close eat drink sleep hurry thank thanks sorry yes hello goodbye okay
        being having doing making his's mine yours ours theirs myself himself herself themselves
        three four five six seven ten hundred late early happy afraid sure true how's it'll
        calculate many each total costs answer following number using return returns used use
        speak speaks live lives play believe understand remember forget happened mean means
        """,
    "de": """
        der die das und ist nicht ich sie er es wir ihr ein eine einen einem einer eines den dem des
        zu mit auf für von im am aus bei nach über unter vor durch gegen ohne zwischen sich auch als
        wie aber oder wenn weil dass daß war waren wird werden wurde wurden hat haben hatte hatten
        sind sein seine seinen ihre ihren ihrem mein meine meinen dein kein keine keinen nur noch
        schon sehr mehr immer wieder hier dort dann da doch so man mich mir dich dir ihn ihm uns
        euch was wer wo warum kann können konnte muss müssen soll sollte will wollen bin bist habe
        zum zur vom beim alle jeder jede jedes heute gestern morgen gut ja nein bitte danke gibt
        diese dieser dieses jetzt nichts etwas viel viele vielen dank machen geht weiß tag
        """,
    "fr": """
        le la les de des du un une et est en que qui dans pour pas sur au aux par avec ce cette ces
        il elle ils elles je tu nous vous on se sa son ses leur leurs mon ma mes ton ta tes notre
        votre ne plus ou où mais si comme tout tous toute toutes être avoir été était étaient sont
        ont avait avaient fait faire peut sans sous entre aussi même très bien encore après avant
        depuis donc alors quand c'est d'un d'une qu'il qu'elle n'est j'ai l'on il y à a lui moi toi
        rien suis es sommes êtes ai as avons avez vais va dit oui non merci bonjour aujourd'hui hier
        demain ici là quel quelle dont chaque personne droit cela ça chez peu trop jamais toujours
        """,
    "es": """
        el la los las de del un una unos unas y es en que no se por con para su sus al lo como más
        pero sí si le les me te nos mi mis tu tus este esta estos estas ese esa esos esas ser estar
        está están estaba son era eran fue fueron ha han había hay tiene tienen muy también cuando
        donde quien porque sin sobre entre desde hasta todo toda todos todas otro otra uno yo él
        ella ellos ellas usted ustedes nosotros hace hacer puede qué cómo dónde aquí ahora hoy ayer
        mañana bien gracias buenos día nada algo nunca siempre tengo soy eres somos estoy estás voy
        vamos persona derecho toda cada mucho poco años después antes
        """,
    "it": """
        il lo la i gli le di del della dei delle dello degli un una uno e è in che non si per con da
        dal dalla al alla ai alle nel nella nei nelle sul sulla sui come più ma anche se mi ti ci vi
        suo sua suoi sue mio mia tuo tua questo questa questi queste quello quella sono era erano
        essere avere ha hanno ho hai abbiamo aveva stato stata fa fare può tutto tutti tutte ogni
        molto bene quando dove perché chi cosa io lui lei noi voi loro oggi ieri domani qui ora
        niente sempre mai già ancora dopo prima senza tra fra grazie buongiorno individuo diritto ed
        od dall' dell' nell' all' l' un' sia sei siamo
        """,
    "pt": """
        o a os as de do da dos das um uma uns umas e é em no na nos nas que não se por pelo pela com
        para ao à aos às seu sua seus suas como mais mas também ser estar está estão são era eram
        foi foram tem têm tinha há muito quando onde quem porque sem sobre entre desde até todo toda
        todos todas outro outra eu ele ela eles elas você vocês nós me te lhe meu minha teu tua este
        esta isso isto esse essa aquele aquela fazer faz pode hoje ontem amanhã aqui agora bem
        obrigado nada nunca sempre já ainda depois antes pessoa direito toda sou és somos estou vou
        """,
    "nl": """
        de het een en van in is dat op te zijn met voor niet aan er om ook als maar dan door bij uit
        naar over tot heeft hebben had hadden was waren wordt worden werd werden ik je jij hij zij
        ze we wij jullie u mij me hem haar ons hun mijn jouw zijn deze dit die wat wie waar waarom
        hoe geen meer nog al wel zeer veel alle ieder iedere elk kan kunnen moet moeten zal zullen
        zou wil heb bent ben gaat gaan doen goed nu hier daar toen want of onder tussen tegen zonder
        vandaag gisteren morgen bedankt dank heel iets niets altijd nooit recht heeft
        """,
    "sv": """
        och i att det som en på är av för med den till inte om ett han hon var jag de vi har hade
        från men så kan ska skall vid sig sin sitt sina eller efter när där här vad mycket också
        alla varje rätt enligt utan under mellan över mot detta denna dessa hans hennes dem oss du
        mig dig ni blir blev vara varit hur varför ingen inget nu idag bra
        """,
    "da": """
        og i at det som en på er af for med den til ikke om et han hun var jeg de vi har havde fra
        men så kan skal ved sig sin sit sine eller efter når hvor her hvad meget også alle enhver
        ret uden under mellem over mod dette denne disse hans hendes dem os du mig dig bliver blev
        være været hvorfor hvordan ingen ikke noe noen hva ble etter bare nå seg meg deg ut av fordi
        """,
    "pl": """
        i w na z do się nie że to jest o jak po co za od ale czy dla przez tak są był była było być
        jego jej ich już tylko może ma mnie mi ja ty on ona my oraz lub który która które tego tym
        ten ta te każdy prawo bez pod przed jako ani gdy bardzo dobrze proszę dziękuję dzisiaj
        """,
    "cs": """
        a v na se je že to s z do o jak po co za od ale i pro byl byla bylo být jeho její jsem jsou
        jsi má mít který která které tak není ve k ke nebo až už jen každý právo bez pod při ani
        když velmi dobře děkuji dnes aby jako podle sa nie je som že čo ako
        """,
    "tr": """
        ve bir bu da de için ile çok ne o ben sen biz siz onlar mi mı gibi daha en var yok olan
        olarak her kadar sonra ama ya veya değil şey hak hakkı herkes herkesin kendi göre bana sana
        evet hayır teşekkür iyi nasıl neden bugün oldu olduğu
        """,
    "vi": """
        và của là có không được trong cho một những các người với này khi đã để từ về tôi bạn anh
        em họ ra vào cũng như nhưng mọi quyền hay hoặc theo đó phải rất nhiều đến sẽ ở thì mà
        """,
    "id": """
        yang dan di ke dari untuk dengan ini itu adalah tidak dalam pada akan ada saya dia kami kita
        mereka atau juga oleh sebagai bisa dapat telah sudah orang setiap hak atas karena lebih anda
        tak seperti apa bukan harus lagi banyak berhak
        """,
    "fi": """
        ja on ei se että hän oli ovat en olen ole mutta kun niin kuin tai myös jos minä sinä me te
        he tämä joka jotka hänen sen mitä kaikki jokaisella oikeus sekä olla ollut hyvin nyt vain
        """,
    "hu": """
        a az és nem hogy is egy van volt ez meg de ha csak mint már vagy ki mi én te ő mert minden
        még nagyon kell lehet való azt ezt joga szerint személynek amely amelyek vagyok jó igen
        """,
    "ro": """
        și în de la a cu nu pe este un o că din care pentru sunt mai se ce au fost dar sau prin fi
        ca lui ei eu tu noi orice dreptul sa său lor fără între dacă foarte bine acest această
        """,
    "la": """
        et in est non ad cum ut sed qui quae quod ex esse sunt aut si per ab de hoc atque enim etiam
        nec eius omnes autem quam ius erat fuit ac neque sit
        """,
    "ca": """
        el la els les de del un una i és en que no es per amb al als com més però si seva seu té
        són ha han hi dret tota tothom persona aquest aquesta ni o sense entre els dels a
        """,
    "eu": "eta da ez bat du dute dira edo izan beste eskubide guztiak orok zen ere hau",
    "sw": "na ya wa kwa ni katika la za kila mtu haki au cha ana kuwa yake hii huu bila watu wote",
    "tl": "ang ng sa na mga ay at hindi ko mo siya ito may bawat tao karapatan ka si niya kung",
}

CYRILLIC = {
    "ru": """
        и в не на я что он с как это по но она к у из за то все его так от вы мы бы о ты же для было
        был быть есть или имеет каждый человек право при если когда где только ещё еще очень меня
        мне они их этот эта эти без до чтобы нет да уже может
        """,
    "uk": """
        і в не на я що він з як це та але вона до у із за її його так від ви ми би про ти ж для було
        був бути є або має кожна людина право при якщо коли де тільки ще дуже мене мені вони їх цей
        ця ці без щоб немає й вже може також
        """,
    "bg": """
        и в не на аз че той с как това по но тя към у от за то всички неговата така вие ние би ти ще
        беше бил да е са или има всеки човек право при ако когато къде само още много мен ми те си
        се ли без до няма вече може също който която които
        """,
    "other": """
        и у не на ја да он са као то за али она ка од до су је се или има свако право при ако кад
        где само још веома мене ми они овај ова без није већ може што који која өз және мен
        """,
}

ARABIC = {
    "ar": "في من على إلى أن أو لا كل هذا هذه التي الذي ما عن مع هو هي كان لم لكل شخص الحق أي ولا و",
    "fa": "و در به از که این را با است هر حق برای آن یک می شود بر تا کند باشد دارد نباید خود هم من",
    "ur": "اور کے کی کا میں ہے سے کو کہ یہ کسی حق ہر پر ہیں نہیں نے اس جو بھی شخص یا ہو گا",
}

DEVANAGARI = {
    "hi": "है के में की और को का से पर यह कि नहीं हैं एक भी हो इस तो ने प्रत्येक व्यक्ति अधिकार या मैं वह था",
    "other": "आहे आणि च्या नाही ही हा प्रत्येकास छ र को लाई छन् गर्ने मा हुनेछ",
}

WORDS = {"latin": LATIN, "cyrillic": CYRILLIC, "arabic": ARABIC, "devanagari": DEVANAGARI}

LETTERS = {
    "de": "äöüß",
    "fr": "éèêëàâçùûîïôœ",
    "es": "áéíóúñ¿¡",
    "it": "àèéìòù",
    "pt": "ãõáâàçéêíóôú",
    "nl": "ëï",
    "sv": "åäö",
    "da": "æøå",
    "pl": "ąćęłńóśźż",
    "cs": "áčďéěíňóřšťúůýž",
    "tr": "çğıöşü",
    "vi": "ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
    "fi": "äö",
    "hu": "áéíóöőúüű",
    "ro": "ăâîșț",
    "uk": "ґєії",
    "ru": "ёыэ",
    "fa": "پچژگ",
    "ur": "ٹڈڑےں",
}
"""Letters that mark a language, or a few."""

NAMED = frozenset(
    ["en", "de", "fr", "es", "it", "pt", "nl", "ru", "uk", "bg", "ar", "fa", "ur", "hi"]
)
"""Languages told apart well enough to be named; all others are `other`."""
