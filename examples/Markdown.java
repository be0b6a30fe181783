// Print a document as Markdown: `java examples/Markdown.java FILE`, a PDF or an image.
// The file is the body of the request, so it is sent as it is read, whatever its size.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;

public class Markdown {
    public static void main(String[] arguments) throws Exception {
        String url = System.getenv().getOrDefault("RAPIDOCR_URL", "http://localhost:3000");
        String key = System.getenv("RAPIDOCR_KEY");

        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + "/markdown"))
            .timeout(Duration.ofSeconds(120))
            .POST(BodyPublishers.ofFile(Path.of(arguments[0])));
        if (key != null) request.header("X-API-Key", key);
        HttpResponse<String> response = HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());

        if (response.statusCode() != 200) {
            System.err.println(response.body()); // {"error": "a sentence", "code": "a_code"}
            System.exit(1);
        }
        System.out.print(response.body());
    }
}
