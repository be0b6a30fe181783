"""What is written on the pages."""
# ruff: noqa: RUF001

MARKS = "，。、"
"""Those that stand at the top right of their squares in columns, and never begin a line."""

HARBOUR = (
    "The harbour lies below the old town, and every morning the boats come in with the tide. "
    "Women in yellow coats sort the fish on long tables while gulls wait on the roofs. By nine "
    "o'clock the ice is gone, the tables are washed, and only the smell remains until evening."
)
LIBRARY = (
    "When the library burned in 1873, more than forty thousand volumes were lost. A bookseller "
    "from Leeds offered his own stock as a gift, and within twelve years the shelves were full "
    "again. The catalogue of that time, written by three clerks, is still in daily use."
)
BRIDGE = (
    "Engineers measured the bridge twice: once in January, when the steel is short, and once in "
    "July. The difference was 38 millimetres, a little less than had been expected. Since then "
    "sensors report the length each hour, and nobody needs to climb the towers any more."
)
GARDEN = (
    "A garden on a roof needs less soil than most people think. Ten centimetres are enough for "
    "herbs, twenty for beans, and small trees will grow in half a metre. What matters is the "
    "wind, because it dries the leaves faster than any summer sun."
)
RAILWAY = (
    "The night train leaves at 22:15 and crosses the border shortly after three. Passengers who "
    "stay awake may see the lights of the valley, then a tunnel, then nothing but snow. "
    "Breakfast is served at half past six, with bread, cheese and strong coffee."
)
CLOCK = (
    "No two clocks in the museum show the same hour. The oldest was built for a monastery and "
    "has one hand only; its makers saw no use in minutes. Visitors like the astronomical clock "
    "best, although it has been wrong about the moon since 1911."
)
BREAD = (
    "Good bread takes time and very little else. Flour, water and salt are mixed in the evening, "
    "folded once an hour, and left alone until dawn. Bakers in the old quarter still light "
    "their ovens with birch wood, which burns hot and leaves almost no ash."
)
MAPS = (
    "Early maps of the coast were drawn by pilots rather than by scholars. They mark rocks, "
    "currents and safe anchorages with great care, but leave the land behind the beach empty. "
    "For a sailor, that was the part of the world that did not matter."
)
PAPER = (
    "Paper from this mill was sold as far away as Lisbon. It can be recognised by a small "
    "anchor in the watermark and by its faint blue colour, which came from the rags of "
    "sailors. Today one machine makes more in an hour than the mill did in a year."
)
WINTER = (
    "Winter came early that year. In October the lake was frozen from shore to shore, and "
    "farmers drove their carts across it to save the long way round. Children skated to "
    "school, and the ferry was pulled up on the beach until the end of March."
)
SHORT = [
    "Council votes for a new swimming pool beside the station; work is to begin in spring.",
    "Heavy rain closed the coast road for two days, and buses had to take the mountain pass.",
    "The orchestra opens its season with music by young composers from seven countries.",
    "Wheat prices fell again last week after a rich harvest in the south and the east.",
    "A blackbird has built its nest in the traffic light at the corner of Mill Street.",
    "Two students found a letter of 1794 behind a cupboard in the university archive.",
    "The ferry company promises larger ships, lower fares and a service that runs on time.",
    "Goalkeeper Jensen saved three penalties and was carried from the field by the crowd.",
]

TEA = (
    "茶树原产于中国西南地区，已有几千年的栽培历史。古人最初把茶叶当作药材，"
    "后来才慢慢变成日常饮料。每年春天，山里的人们清早上山采茶，傍晚回家炒制。"
)
CITY = (
    "这座城市靠近大海，四季气候温和。老街上保留着许多百年商铺，"
    "卖布的、卖药的、修钟表的，各有各的招牌。周末的时候，游客常常把小巷挤得水泄不通。"
)
MOUNTAIN = (
    "清晨的山谷里雾气很重，看不见对面的村庄。等到太阳升起，雾慢慢散开，"
    "一条小路从树林中伸出来，一直通向山顶的石亭。"
)
SCHOOL = (
    "学校建在河边，只有三间教室和一个操场。孩子们每天划船上学，"
    "冬天河水结冰，就沿着冰面走过去。老师说，这里的学生从来不迟到。"
)
MIXED = [
    "本项目使用 Python 3.13 编写，代码放在 GitHub 上。",
    "服务启动以后会监听 3000 端口，可以用 curl 测试。",
    "处理一张 1920 x 1080 的图片大约需要 0.8 秒。",
    "如果内存少于 4 GB，请把 OCR_THREADS 设为 1。",
    "模型来自 PaddleOCR，推理使用 ONNX Runtime 完成。",
    "发送 POST 请求时，图片可以是 PNG 或 JPEG 格式。",
    "更多信息请阅读 README 文件，或发邮件给 Wang Wei。",
]
NOVEL = [
    "那年冬天我离开家乡，独自坐船",
    "去南方读书。船上的人很多，大",
    "家挤在一起说话，倒也不觉得冷。",
    "夜里起了风，江水拍打着船板，",
    "我躺在窄小的铺位上，怎么也睡",
    "不着。旁边的老人点起油灯，从",
    "布包里拿出一本旧书，慢慢翻开。",
    "他问我要到哪里去，我说要去见",
    "一位多年不见的朋友。老人点点",
    "头，又低头看他的书。天快亮的",
    "时候，岸上传来第一声鸡叫。",
]
